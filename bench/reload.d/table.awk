# Prints the table of one part: counts are summed over all rounds, of other
# values it is the median. Reads the labels first, then the lines of results.

function median(list,	v, n, i, j, t) {
	n = split(list, v, " ")
	for (i = 2; i <= n; i++) {
		t = v[i] + 0
		for (j = i - 1; j > 0 && v[j] + 0 > t; j--)
			v[j + 1] = v[j]
		v[j + 1] = t
	}
	if (n == 0)
		return 0
	return (v[int((n + 1) / 2)] + v[int(n / 2) + 1]) / 2
}

function kind(name, word, column) {
	if (sum[name, column] == 0)
		return ""
	return (words++ ? ", " : "") word " " sum[name, column]
}

# Returns what failed, by kind, and whether a reload did not end.
function kinds(name,	text) {
	words = 0
	text = kind(name, "refused", 11)
	text = text kind(name, "reset", 12)
	text = text kind(name, "eof", 13)
	text = text kind(name, "cut", 14)
	text = text kind(name, "timeout", 15)
	text = text kind(name, "wrong", 16)
	text = text kind(name, "error", 17)
	if (sum[name, 5] > 0)
		text = text (words++ ? ", " : "") sum[name, 5] \
		    " without a reload"
	if (name in never)
		text = text (words++ ? ", " : "") "the reload did not end"
	return text
}

function memory(	i, name) {
	printf "\nMemory with 8 workers, MB of RSS%14s %10s\n", "master",
	    "overhead"
	for (i = 0; i < nnames; i++) {
		name = names[i]
		if (name in own)
			printf "  %-26s %14.1f %12.1f\n", label[name],
			    own[name] / 1024, all[name] / 1024
	}
}

function head() {
	if (part == "connection")
		print "\nA connection for each request"
	else if (part == "gap")
		print "\nKeep-alive, 20 ms between requests"
	else if (part == "nogap")
		print "\nKeep-alive, no gap between requests"
	else
		print "\nThe same, the next request sent without a look"
	printf "%-26s %8s %6s %15s %15s %7s", "", "", "", "longest, ms",
	    "p99, ms", "reload"
	if (part != "connection")
		printf " %14s", "ends of kept"
	printf "\n%-26s %8s %6s %7s %7s %7s %7s %7s", "", "answered",
	    "failed", "without", "with", "without", "with", "s"
	if (part != "connection")
		printf " %6s %7s", "closed", "retried"
	print "  failed how"
}

function row(name) {
	printf "%-26s %8d %6d %7.1f %7.1f %7.1f %7.1f ", label[name],
	    sum[name, 9], sum[name, 10], median(seen[name, 8]),
	    median(seen[name, 21]), median(seen[name, 7]),
	    median(seen[name, 20])
	if (seen[name, 4] == "")
		printf "%7s", "-"
	else
		printf "%7.2f", median(seen[name, 4]) / 1000
	if (part != "connection")
		printf " %6d %7d", sum[name, 19], sum[name, 18]
	print (kinds(name) == "" ? "" : "  " kinds(name))
}

$1 == "label" {
	names[nnames++] = $2
	text = $0
	sub(/^label [^ ]+ /, "", text)
	label[$2] = text
	next
}

part == "memory" && $2 == "memory" {
	own[$1] = $3
	all[$1] = $4
}

$2 == part && part != "memory" {
	measured[$1] = 1
	for (i = 5; i <= NF; i++) {
		sum[$1, i] += $i
		seen[$1, i] = seen[$1, i] " " $i
	}
	if ($4 == "never")
		never[$1] = 1
	else
		seen[$1, 4] = seen[$1, 4] " " $4
}

END {
	if (part == "memory") {
		memory()
		exit
	}
	head()
	for (i = 0; i < nnames; i++)
		if (names[i] in measured)
			row(names[i])
}
