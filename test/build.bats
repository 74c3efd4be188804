# What the build promises: compilers, libraries, size, memory, no leaks.

# shellcheck disable=SC2030,SC2031

load helper

setup_file() {
	export BATS_TEST_TIMEOUT=600
}

make_here() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C "$ROOT" "$@"
}

# build DIRECTORY [VARIABLE=VALUE ...]: crr there, every warning an error.
build() {
	local dir=$1

	shift
	make_here "B=$dir" "CFLAGS=-O2 -Werror" "$@" "$dir/crr"
}

# build_musl DIRECTORY [VARIABLE=VALUE ...]: the kernel's headers are beside
# glibc's.
build_musl() {
	build "$@" CC=musl-gcc "CPPFLAGS=-idirafter /usr/include \
	    -idirafter /usr/include/$(gcc -dumpmachine)"
}

# make_install TARGET ...: below $PWD/root. Each test builds on its own.
make_install() {
	make_here "B=$PWD/b" CFLAGS=-O0 "$@" "DESTDIR=$PWD/root" PREFIX=/opt
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

@test "clang builds it without what only Linux has" {
	need clang
	build "$PWD/clang" CC=clang PORTABLE=1
}

@test "with musl's libc it builds without a warning" {
	need musl-gcc
	build_musl "$PWD/musl"
	build_musl "$PWD/portable" PORTABLE=1
}

@test "musl's libc is enough, and crr static does all the same" {
	need musl-gcc
	build_musl "$PWD/musl" LDFLAGS=-static
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

@test "a user's flags are taken, and ours are not lost" {
	run -0 make_here -n "B=$PWD/b" CPPFLAGS=-DX=1 "CFLAGS=-O1 -g3" \
	    LDFLAGS=-s LDLIBS=-lm "$PWD/b/crr" "$PWD/b/test/load"
	grep -E -- "-std=c11 -D_GNU_SOURCE -I\. .*-DX=1 -O1 -g3 .*crr\.c" \
	    <<<"$output"
	grep -E -- "-O1 -g3 .*-s -o $PWD/b/crr .*-lm" <<<"$output"
	grep -E -- "-O1 -g3 .*-s -o $PWD/b/test/load .*-lm" <<<"$output"
}

@test "what else is built in a directory with other flags is built again" {
	local flags=("B=$PWD/b" "$PWD/b/base/out.o")

	make_here "${flags[@]}"
	run -0 make_here --no-print-directory "${flags[@]}"
	[ -z "$output" ]
	run -0 make_here "${flags[@]}" CFLAGS=-O1
	grep -F -- "-O1" <<<"$output"
	run -0 make_here "${flags[@]}" CFLAGS=-O1 PORTABLE=1
	grep -F "out.c" <<<"$output"
	run -0 make_here "${flags[@]}" CFLAGS=-O1 PORTABLE=1 CC=gcc
	grep -F "out.c" <<<"$output"
}

@test "a test program is built again when a header that it includes changes" {
	make_here "B=$PWD/b" CFLAGS=-O0 "$PWD/b/test/unit_address"
	run -0 make_here -n "B=$PWD/b" CFLAGS=-O0 -W test/tap.h \
	    "$PWD/b/test/unit_address"
	grep -F "unit_address.c" <<<"$output"
}

@test "crr needs no library but libc" {
	need ldd
	need_plain
	ldd "$CRR" | awk '{ print $1 }' |
	    grep -vE '^(linux-vdso|linux-gate|libc\.|/lib.*/ld-)' >others || true
	cat others
	[ ! -s others ]
}

@test "crr is hardened" {
	need readelf
	need_plain
	readelf -hldW "$CRR" >elf
	grep -E "Type: +DYN" elf
	grep -F GNU_RELRO elf
	grep -E "BIND_NOW|FLAGS.* NOW" elf
	readelf -W --dyn-syms "$CRR" >symbols
	grep -F __stack_chk_fail symbols
	grep -E "__[a-z]+_chk@" symbols
}

@test "stripped, crr has less than 200 kB" {
	local size

	need_plain
	size=$(stripped_size)
	echo "$size bytes"
	[ "$size" -lt 200000 ]
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

@test "crr.pc names the PREFIX of the last install" {
	make_here "B=$PWD/b" CFLAGS=-O0 install "DESTDIR=$PWD/a" PREFIX=/a
	make_here "B=$PWD/b" CFLAGS=-O0 install "DESTDIR=$PWD/c" PREFIX=/b \
	    LIBDIR=/c/lib64
	grep -x prefix=/a a/a/lib/pkgconfig/crr.pc
	run ! grep /a c/c/lib64/pkgconfig/crr.pc
	grep -x prefix=/b c/c/lib64/pkgconfig/crr.pc
	grep -x libdir=/c/lib64 c/c/lib64/pkgconfig/crr.pc
}

@test "the library has no global name without crr_" {
	need nm
	make_here "B=$PWD/b" "$PWD/b/libcrr.a"
	nm -g --defined-only b/libcrr.a | awk 'NF == 3 { print $3 }' >names
	grep -x crr_next names
	run ! grep -v "^crr_" names
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
