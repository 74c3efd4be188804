# The examples, as they stand. Those in Python and for Express have their tests
# beside the bus's and Node's.

# shellcheck disable=SC2016,SC2046,SC2153,SC2154

load helper

export WAIT_LIMIT=60

# build_c COMPILER ...: the example in C, with the library as it is installed.
build_c() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
	    make -s -C "$ROOT" "B=$PWD/b" install "DESTDIR=$PWD" PREFIX=/opt \
	    >/dev/null
	PKG_CONFIG_PATH=$PWD/opt/lib/pkgconfig
	export PKG_CONFIG_PATH
	# Below DESTDIR, not where it is said to be.
	"$@" -o cache "$ROOT/examples/cache.c" \
	    $(pkg-config --cflags --libs crr | sed "s|/opt|$PWD/opt|g")
}

@test "the cache in C is in step, and warm after a reload" {
	need pkg-config
	build_c cc -Wall -Wextra -Werror
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

@test "the library's headers are C++, too" {
	need g++
	cat >use.cc <<-'EOF'
		#include "ipc.h"
		int main() { return crr_type_name(CRR_SAVE)[0] != 'S'; }
	EOF
	make -s -C "$ROOT" "B=$PWD/b" "$PWD/b/libcrr.a"
	g++ -Wall -Wextra -I"$ROOT" -o use use.cc b/libcrr.a
	./use
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
