# The examples, as they stand. Those in Python and for Express have their tests
# beside the bus's and Node's.

# shellcheck disable=SC2016,SC2046,SC2153,SC2154

load helper

export WAIT_LIMIT=60

# The library as it is installed, and what pkg-config says of it.
setup_file() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
	    make -s -C "$ROOT" "B=$BATS_FILE_TMPDIR/b" CFLAGS=-O0 install \
	    "DESTDIR=$BATS_FILE_TMPDIR" PREFIX=/opt >/dev/null
	export PKG_CONFIG_SYSROOT_DIR=$BATS_FILE_TMPDIR
	export PKG_CONFIG_PATH=$BATS_FILE_TMPDIR/opt/lib/pkgconfig
}

# build_with_crr OUT FILE COMPILER ...: every warning is an error.
build_with_crr() {
	local out=$1 file=$2

	shift 2
	"$@" -Wall -Wextra -Wpedantic -Werror -o "$out" "$file" \
	    $(pkg-config --cflags --libs crr)
}

# write_user FILE: a program that uses the library, in what C and C++ share.
write_user() {
	cat >"$1" <<-'EOF'
		#include <crr/ipc.h>
		#include <stdio.h>
		#include <string.h>
		#include <unistd.h>

		static int
		say(struct crr *crr)
		{
			uint32_t flags = CRR_SUBSCRIBE_MESSAGES |
			    CRR_SUBSCRIBE_RETAINED;

			if (crr_subscribe(crr, flags) == -1 ||
			    crr_broadcast(crr, "name", "data", 4) == -1 ||
			    crr_send(crr, CRR_STATUS, 7, NULL, 0) == -1)
				return -1;
			return 0;
		}

		static const char *
		name_event(unsigned kind)
		{
			switch ((enum crr_event)kind) {
		#define X(symbol, name, number) \
			case CRR_EVENT_##symbol: return name;
			CRR_EVENTS(X)
		#undef X
			}
			return "unknown";
		}

		int
		main(void)
		{
			char path[108];
			unsigned char head[CRR_HEADER];
			struct crr_frame f;
			struct crr_message m;
			struct crr crr;

			crr_header(head, CRR_STOP, 4, 7);
			if (crr_parse(head, sizeof(head), &f) != CRR_MORE ||
			    f.type != CRR_STOP)
				return 1;
			if (crr_path(NULL, NULL, path, sizeof(path)) == -1)
				return 2;
			crr_init(&crr, crr_connect(path, 1000));
			if (crr.fd == -1 || say(&crr) == -1)
				return 3;
			while (crr_next(&crr, &f, 5000) == 1) {
				if (f.type == CRR_EVENT)
					puts(name_event(crr_get16(f.payload)));
				if (crr_message(&f, &m) == 0 &&
				    (m.flags & CRR_MESSAGE_RETAINED) == 0)
					printf("seq %lu\n", (unsigned long)m.seq);
				if (f.type == CRR_DONE) {
					crr_close(&crr);
					return puts("done") == EOF;
				}
			}
			return 4;
		}
	EOF
}

@test "the cache in C is in step, and warm after a reload" {
	need pkg-config
	build_with_crr cache "$ROOT/examples/cache.c" cc
	crr_start -w 3 --soak 100ms --ready notify --retain 1M -- ./cache
	[ "$(get /save/7/Ada)" = saved ]
	wait_for all_have 7 Ada
	[ "$(get /reload)" = "reload requested" ]
	wait_for all_of_generation 2
	all_have 7 Ada
	[ "$(get /delete/7)" = deleted ]
	wait_for all_have 7 ""
	crr broadcast -q --save --name demo --id k v
	wait_for all_have k v
}

@test "programs in C and in C++ are built from the two installed headers" {
	local std

	need pkg-config
	need g++
	write_user use.c
	write_user use.cc
	crr_start -w 1 --soak 100ms -- "$SERVER" --port "$PORT"
	for std in c99 c11; do
		build_with_crr use use.c cc -std=$std -Wconversion
		[ "$(./use)" = "done" ]
	done
	for std in c++11 c++20; do
		build_with_crr use use.cc g++ -std=$std -Wconversion
		[ "$(./use)" = "done" ]
	done
}

@test "the mirror writes what is saved to files" {
	crr_start -w 1 --retain 1M -- "$SERVER" --port "$PORT"
	crr broadcast -q --save --name files --id motd "hello"
	CRR=$CRR background "$ROOT/examples/mirror" files
	wait_for test -e files/_motd
	[ "$(cat files/_motd)" = hello ]
	printf 'a\0\377b' | crr broadcast -q --save --id ../x -
	wait_for test -e files/_..%2Fx
	printf 'a\0\377b' | cmp - files/_..%2Fx
	crr broadcast -q --delete --id motd
	wait_for test ! -e files/_motd
}

@test "over Redis two masters share one stream" {
	local one two redis

	need redis-server
	need redis-cli
	redis=$(free_port)
	background redis-server --port "$redis" --bind 127.0.0.1 --save "" \
	    --dir "$PWD" >/dev/null
	wait_for redis-cli -p "$redis" ping
	one=$PWD/one.sock
	two=$PWD/two.sock
	CRR_SOCKET=$one crr_start -w 1 --retain 1M -- "$SERVER" --port "$PORT"
	CRR_SOCKET=$two crr_start -w 1 --retain 1M -- \
	    "$SERVER" --port "$(free_port)"
	CRR_SOCKET=$one CRR=$CRR background "$ROOT/examples/redis-bridge" \
	    news -p "$redis"
	CRR_SOCKET=$two CRR=$CRR background "$ROOT/examples/redis-bridge" \
	    news -p "$redis"
	wait_for subscribers "$redis" 2
	CRR_SOCKET=$one crr broadcast -q --save --name n --id 1 "from one"
	CRR_SOCKET=$two crr broadcast -q --save --name n --id 2 "from two"
	wait_for is_kept "$one" 2
	wait_for is_kept "$two" 2
	# Any bytes.
	printf 'a\0\377b' | CRR_SOCKET=$two crr broadcast -q --save --id 3 -
	wait_for is_kept "$one" 3
	[ "$(CRR_SOCKET=$one kept 3)" = "YQD/Yg==" ]
	CRR_SOCKET=$two crr broadcast -q --delete --id 3
	wait_for is_kept "$one" 2
	CRR_SOCKET=$one crr broadcast -q --delete --name n --id 2
	wait_for is_kept "$two" 1
	# Nothing goes in circles.
	CRR_SOCKET=$one status_is '.bus.seq == 5'
	CRR_SOCKET=$two status_is '.bus.seq == 5'
}

subscribers() {
	[ "$(redis-cli -p "$1" --raw pubsub numsub news | tail -n 1)" -eq "$2" ] &&
	    CRR_SOCKET=$PWD/one.sock status_is '.bus.subscribers | length == 1' &&
	    CRR_SOCKET=$PWD/two.sock status_is '.bus.subscribers | length == 1'
}

# kept ID: in base64.
kept() {
	timeout 1 "$CRR" watch --json --retained 3>&- |
	    jq -r --arg id "$1" 'select(.id == $id).data64'
}

is_kept() {
	CRR_SOCKET=$1 status_is --argjson n "$2" '.bus.retained == $n'
}
