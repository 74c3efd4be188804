# Draws bench/reload.svg, a panel for each server, all with the same axes. The
# caller sets dir and svg.
load dir . "/panels.gp"
set terminal svg size 860, 60 + 230 * panels font "sans-serif,13" background "white"
set output svg
set multiplot layout panels, 1 margins 0.09, 0.98, 0.12, 0.94 spacing 0.1
set logscale y
set yrange [2:12000]
set ytics ("10 ms" 10, "100 ms" 100, "1 s" 1000, "10 s" 10000)
set xrange [-2:9]
set xtics 1
set grid ytics lc rgb "#dddddd"
set border 3 lc rgb "#666666"
set tics nomirror
set key off
do for [i = 0:panels - 1] {
	took = value(sprintf("took%d", i))
	unset label
	unset arrow
	unset object
	set object 1 rectangle from 0, graph 0 to (took < 9 ? took : 9), graph 1 \
	    behind fillcolor rgb "#f3efdc" fillstyle solid noborder
	set arrow 1 from 0, graph 0 to 0, graph 1 nohead lc rgb "#997700" dt 2
	set arrow 2 from took, graph 0 to took, graph 1 nohead lc rgb "#997700" dt 2
	set label 1 "reload" at -0.05, graph 0.94 right tc rgb "#775500"
	set label 2 sprintf("done after %.1f s", took) at took + 0.05, \
	    graph 0.94 tc rgb "#775500"
	set label 3 value(sprintf("title%d", i)) at graph 0, graph 1.08
	if (i == panels - 1) {
		set xlabel "seconds since the reload was asked for (line: slowest request of each 20 ms, cross: a failed one)"
	}
	plot sprintf("%s/%d.slow", dir, i) with lines lw 1.2 lc rgb "#1f5fa8", \
	    sprintf("%s/%d.failed", dir, i) with points pt 2 ps 0.7 lw 1.5 lc rgb "#cc2222"
}
unset multiplot
