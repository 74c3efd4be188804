# Reloads of a good release: in what order, by what lines, seen from where.

load helper

workers_are() {
	status_is ".workers | length == $1"
}

# Of all samples, the least or the greatest number of workers.
of_samples() {
	jq -s "[.[].workers | map(select($2)) | length] | $1" samples
}

# reload_by_surge WORKERS SURGE: a reload that is looked at as often as it can
# be asked, from when the surge has started to the end.
reload_by_surge() {
	start_release "$1" --surge "$2"
	touch gate.{0..4}
	reload_start reload
	wait_for workers_are $(($1 + $2))
	rm gate.*
	while kill -0 "$CLIENT" 2>/dev/null; do
		crr status --json >>samples
	done
	wait_end "$CLIENT"
	[ "$CODE" -eq 0 ]
	all_of_generation 2
	[ "$(of_samples min '.state == "ready"')" -ge "$1" ]
	[ "$(of_samples max .pid)" -le $(($1 + $2)) ]
}

# The pids of up and down lines, as lines with their pids' names: old0, new1.
named_lines() {
	local script='' id=0 pid

	for pid in $1; do
		script+="s/ $pid\$/ old$((id++))/;"
	done
	id=0
	for pid in $2; do
		script+="s/ $pid\$/ new$((id++))/;"
	done
	sed "$script"
}

@test "a reload never has fewer than N ready workers nor more than N and the surge" {
	reload_by_surge 4 1
}

@test "a surge of two starts two at a time, and never more" {
	reload_by_surge 5 2
}

@test "a reload writes up before down, worker by worker" {
	start_release 2
	old=$(worker_pids)
	LC_ALL=C reload >lines
	new=$(worker_pids)
	diff <(named_lines "$old" "$new" <lines) - <<-END
		reload requested
		worker up new0
		worker down old0
		worker up new1
		worker down old1
		reload complete
	END
}

@test "without a surge each worker is down before its successor is up" {
	start_release 3 --surge 0
	old=$(worker_pids)
	LC_ALL=C reload >lines
	new=$(worker_pids)
	diff <(named_lines "$old" "$new" <lines) - <<-END
		reload requested
		worker down old0
		worker up new0
		worker down old1
		worker up new1
		worker down old2
		worker up new2
		reload complete
	END
}

@test "the master writes the lines that the client writes, signs where they are known" {
	LC_ALL=C.UTF-8 start_release 1
	[ "$(head -n 1 "$LOG")" = "master starting 1 worker 🌎" ]
	LC_ALL=C.UTF-8 reload >lines
	[ "$(head -n 1 lines)" = "reload requested 👍" ]
	[ "$(tail -n 1 lines)" = "reload complete ✅" ]
	diff lines <(tail -n "$(wc -l <lines)" "$LOG")
}

@test "a quiet reload writes nothing" {
	start_release 1
	run -0 --separate-stderr reload -q
	[ -z "$output" ]
	# shellcheck disable=SC2154
	[ -z "$stderr" ]
	all_of_generation 2
}

@test "the progress bar of a terminal leaves no trace" {
	need script
	start_release 2
	TERM=xterm LC_ALL=C timeout 60 script -qec "$CRR reload" /dev/null \
	    </dev/null >typescript 3>&- 4>&-
	grep -q "\[#.*1 of 2 new workers ready$(printf '\r')" typescript
	# What was written before a return and an erased line is not seen.
	sed 's/.*\r\x1b\[K//; s/\r$//' typescript >lines
	diff <(sed 's/[0-9]*$//' lines) - <<-END
		reload requested
		worker up 
		worker down 
		worker up 
		worker down 
		reload complete
	END
}

@test "every pid and the generation are new after a reload, the ids the same" {
	start_release 3
	worker_pids >before
	reload
	all_of_generation 2
	status_is '[.workers[].id] | sort == [0, 1, 2]'
	worker_pids >after
	run ! grep -qxFf before after
}

@test "a client ends with 0 when all old workers are gone, not before" {
	start_release 2 --stop-timeout 300ms
	for generation in 2 3 4; do
		# The workers of the round before don't go by the signal.
		release --ignore-term
		old=$(worker_pids)
		reload
		for pid in $old; do
			is_gone "$pid"
		done
		all_of_generation "$generation"
	done
}

@test "the pause of --wait lies between workers" {
	start_release 3 --wait 60s
	reload_start reload
	wait_for generations_are 2 1 1
	is_reloading
	# Nothing is started ahead of its time.
	status_is '.workers | length == 3'
	is_running "$CLIENT"
}

@test "a reload goes on when the pause of --wait is over" {
	start_release 2 --wait 1s
	begun=$(now_ms)
	reload
	[ $(($(now_ms) - begun)) -ge 1000 ]
	all_of_generation 2
}

@test "no pause of --wait follows the last worker" {
	start_release 1 --wait 10m
	reload
	all_of_generation 2
}

@test "HUP to the master reloads" {
	start_release 2
	kill -HUP "$MASTER"
	wait_for all_of_generation 2
	status_is '.master.reloads == 1'
}

@test "HUP during a reload is not lost and not doubled" {
	start_release 1
	touch gate.0
	reload_start reload
	wait_for is_reloading
	kill -HUP "$MASTER"
	kill -HUP "$MASTER"
	# The answer to this comes after the signals.
	is_reloading
	rm gate.0
	wait_end "$CLIENT"
	[ "$CODE" -eq 0 ]
	wait_for all_of_generation 3
	status_is '.master.reloads == 2'
}

# What a reload looks at again.

# make_release DIRECTORY: one whose workers say its name.
make_release() {
	mkdir -p "$1"
	cat >"$1/serve" <<-END
		#!/bin/sh
		RELEASE=${1##*/} exec "$SERVER" --port $PORT
	END
	chmod +x "$1/serve"
}

@test "a reload follows a link that points to another release" {
	make_release releases/one
	make_release releases/two
	ln -s releases/one current
	crr_start -w 2 --soak 0 -C current -- ./serve
	[ "$(get '/env?RELEASE')" = one ]
	ln -sfn releases/two current
	reload
	[ "$(get '/env?RELEASE')" = two ]
	[ "$(get /cwd)" = "$PWD/releases/two" ]
}

@test "a reload starts in the directory of that path, not in one that was moved away" {
	make_release app
	cd app
	crr_start -w 2 --soak 0 -- ./serve
	cd "$BATS_TEST_TMPDIR"
	mv app app.old
	make_release next
	mv next app
	reload
	[ "$(get '/env?RELEASE')" = next ]
	[ "$(get /cwd)" = "$PWD/app" ]
}

@test "a reload looks for the command in PATH again" {
	make_release second/one
	mkdir first
	PATH=$PWD/first:$PWD/second/one:$PATH crr_start -w 2 --soak 0 -- serve
	[ "$(get '/env?RELEASE')" = one ]
	make_release two
	mv two/serve first/serve
	reload
	[ "$(get '/env?RELEASE')" = two ]
}

@test "a reload reads the env file again, and a variable that was removed is gone" {
	printf 'COLOR=red\nSIZE=big\n' >variables
	crr_start -w 2 --soak 0 --env-file variables -- "$SERVER" --port "$PORT"
	[ "$(get '/env?COLOR')-$(get '/env?SIZE')" = red-big ]
	echo COLOR=green >variables
	reload
	[ "$(get '/env?COLOR')-$(get '/env?SIZE')" = green- ]
}

# What a hundred leave behind.

open_files() {
	find "/proc/$MASTER/fd" -mindepth 1 | wc -l
}

resident_kb() {
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$MASTER/status"
}

zombies() {
	cat /proc/[0-9]*/status 2>/dev/null | awk -v master="$MASTER" '
	    $1 == "State:" { state = $2 }
	    $1 == "PPid:" && $2 == master && state == "Z" { n++ }
	    END { print n + 0 }'
}

reload_times() {
	local i

	for ((i = 0; i < $1; i++)); do
		reload -q
	done
}

@test "a hundred reloads leave the master's descriptors and memory as they were, and no zombie" {
	# Under ASan freed memory is kept for a while, which is no leak.
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=0
	ASAN_OPTIONS+=:thread_local_quarantine_size_kb=0
	crr_start -w 2 --soak 0 -- "$SERVER" --port "$PORT"
	reload_times 20
	files=$(open_files)
	resident=$(resident_kb)
	reload_times 100
	all_of_generation 121
	[ "$(open_files)" -eq "$files" ]
	echo "resident: $resident kB, then $(resident_kb) kB"
	[ $(($(resident_kb) - resident)) -le 64 ]
	[ "$(zombies)" -eq 0 ]
	[ "$(worker_processes | wc -l)" -eq 2 ]
}
