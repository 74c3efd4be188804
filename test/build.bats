# What the build promises: compilers, libraries, size, memory, no leaks.

# shellcheck disable=SC2030,SC2031

load helper

setup_file() {
	export BATS_TEST_TIMEOUT=600
}

# build DIRECTORY [VARIABLE=VALUE ...]: crr there, every warning an error.
build() {
	local dir=$1

	shift
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
	    make -C "$ROOT" "B=$dir" "CFLAGS=-Os -Werror" "$@" "$dir/crr"
}

make_install() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
	    make -C "$ROOT" "B=$BUILD" "$@" "DESTDIR=$PWD/root" PREFIX=/opt
}

# What is under a sanitizer is larger, slower and has another library.
need_plain() {
	! grep -qa __asan_init "$CRR" || skip "crr is built with a sanitizer"
}

stripped_size() {
	need strip
	cp "$CRR" stripped
	strip stripped
	stat -c %s stripped
}

@test "gcc builds it without a warning" {
	need gcc
	build "$PWD/gcc" CC=gcc
}

@test "clang builds it without a warning" {
	need clang
	build "$PWD/clang" CC=clang
}

@test "musl's libc is enough, and crr static does all the same" {
	local include

	need musl-gcc
	include=/usr/include/$(gcc -dumpmachine)
	# Musl's CMSG_NXTHDR changes signs.
	build "$PWD/musl" CC=musl-gcc LDFLAGS=-static \
	    "CFLAGS=-Os -Werror -Wno-sign-conversion" \
	    "CPPFLAGS=-idirafter /usr/include -idirafter $include"
	CRR=$PWD/musl/crr
	crr_start -w 2 --soak 100ms -- "$SERVER" --port "$PORT" --graceful
	all_pids_answer 2
	reload_under_load 1
	none_failed
}

@test "without what only Linux has, -l is needed, handed over and reloaded" {
	build "$PWD/portable" PORTABLE=1
	CRR=$PWD/portable/crr
	crr_start_raw -w 2 -- "$SERVER" --port "$PORT"
	wait_master
	[ "$CODE" -eq 1 ]
	[ "$(wc -l <"$ERR")" -eq 1 ]
	grep -F -- "-l" "$ERR"

	crr_start -w 2 --soak 100ms -l "127.0.0.1:$PORT" -- \
	    "$SERVER" --listen-fds --graceful
	all_pids_answer 2
	status_is '.listeners[0].queues | length == 1'
	reload_under_load 2
	none_failed
}

@test "crr needs no library but libc" {
	need ldd
	need_plain
	ldd "$CRR" | awk '{ print $1 }' |
	    grep -vE '^(linux-vdso|linux-gate|libc\.|/lib.*/ld-)' >others || true
	cat others
	[ ! -s others ]
}

@test "stripped, crr has less than 120 kB" {
	local size

	need_plain
	size=$(stripped_size)
	echo "$size bytes"
	[ "$size" -lt $((120 * 1024)) ]
}

@test "a master of 8 workers has less than 2.5 MB resident" {
	local kb

	need_plain
	crr_start -w 8 --soak 100ms -- "$SERVER" --port "$PORT"
	crr reload -q
	kb=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$(master_pid)/status")
	echo "$kb kB"
	[ "$kb" -gt 0 ]
	[ "$kb" -lt 2560 ]
}

# What valgrind itself opens, and what it was started with, is named so.
# Workers' calls can't be caught under it.
@test "the master ends without a leak, an error or an open descriptor" {
	export WAIT_LIMIT=60

	need valgrind
	need_plain
	cat >crr-watched <<-EOF
		#!/bin/sh
		if [ "\$1" = run ]; then
		    exec valgrind --error-exitcode=99 --leak-check=full \
			--show-leak-kinds=all --errors-for-leak-kinds=all \
			--track-fds=yes --child-silent-after-fork=yes \
			--log-file=$PWD/valgrind.log $CRR "\$@"
		fi
		exec $CRR "\$@"
	EOF
	chmod +x crr-watched
	CRR=$PWD/crr-watched
	crr_start -w 2 --soak 100ms -l "127.0.0.1:$PORT" -- \
	    "$SERVER" --listen-fds --graceful
	crr reload -q
	crr scale -q 3
	status .master
	kill -KILL "$(worker_pid 1)"
	wait_for status_is '[.workers[].restarts] | add == 1'
	wait_for all_ready
	crr_stop

	cat valgrind.log
	[ "$CODE" -eq 0 ]
	grep -F "no leaks are possible" valgrind.log
	grep -F "ERROR SUMMARY: 0 errors" valgrind.log
	# Of each that is open the next line says where it was opened.
	sed -n '/Open .*descriptor\|Open .*socket/ { N; p }' valgrind.log |
	    grep -F " at 0x" >opened || true
	[ ! -s opened ]
}

@test "install puts crr, stripped, and its manual below DESTDIR" {
	need_plain
	make_install install
	(cd root && find . -type f | sort) >installed
	diff installed - <<-EOF
		./opt/bin/crr
		./opt/include/crr/ipc.h
		./opt/include/crr/proto.h
		./opt/lib/libcrr.a
		./opt/lib/pkgconfig/crr.pc
		./opt/share/man/man1/crr.1
		./opt/share/man/man3/crr.3
	EOF
	[ "$(stat -c %a root/opt/bin/crr)" -eq 755 ]
	[ "$(stat -c %a root/opt/share/man/man1/crr.1)" -eq 644 ]
	run -0 root/opt/bin/crr --version
	[[ $output == crr* ]]
	run ! grep -qa "\.debug_info\|\.symtab" root/opt/bin/crr
}

@test "uninstall takes away what install puts there" {
	need_plain
	make_install install uninstall
	[ -z "$(find root -type f)" ]
}

@test "the manual is well-formed" {
	need mandoc
	run -0 mandoc -Tlint -Wwarning "$ROOT/doc/crr.1" "$ROOT/doc/crr.3"
	[ -z "$output" ]
}
