# Reads the lines of load (start_ms,latency_ms,outcome). Writes the slowest request
# of each 20 ms to DIR/ID.slow, with an empty line for a time in which none was
# started, and all that failed to DIR/ID.failed. Times are in seconds since the
# reload began. Prints the variables of the panel for gnuplot.

BEGIN {
	FS = ","
	slow = dir "/" id ".slow"
	bad = dir "/" id ".failed"
	printf "" >slow
	print "-100 1" >bad		# gnuplot warns of an empty file
	failed = answered = longest = 0
}

{
	x = ($1 - begin) / 1000
	if ($3 != "answered") {
		failed++
		print x, ($2 < 2 ? 2 : $2) >bad
		next
	}
	answered++
	bin = int(($1 - begin + 100000) / 20)
	if (!(bin in most) || $2 > most[bin]) {
		most[bin] = $2
		at[bin] = x
	}
	if (first == "" || bin < first)
		first = bin
	if (bin > last)
		last = bin
	if ($2 > longest)
		longest = $2
}

END {
	for (bin = first; bin <= last; bin++) {
		if (!(bin in most))
			continue
		if (bin - before > 10)
			print "" >slow
		printf "%.3f %.1f\n", at[bin], most[bin] >slow
		before = bin
	}
	printf "title%d = '%s: %d answered, %d failed, longest %d ms'\n", id,
	    label, answered, failed, longest
	printf "took%d = %.3f\n", id, took / 1000
}
