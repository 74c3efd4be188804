#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"

static const struct unit {
	const char	*name;
	int64_t		 ms;
} units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "", 1000 },
	{ "m", INT64_C(60) * 1000 },
	{ "h", INT64_C(60) * 60 * 1000 },
};

/* Move past digits and return their number, at most limit. */
static int64_t
read_digits(const char **text, int64_t limit)
{
	int64_t n = 0;

	for (; isdigit((unsigned char)**text); ++*text) {
		n = n * 10 + (**text - '0');
		if (n > limit)
			n = limit;
	}
	return n;
}

/* Move past a fraction, if there is one, and return its thousandths. */
static int64_t
read_fraction(const char **text)
{
	int64_t	thousandths = 0, weight = 100;

	if ((*text)[0] != '.' || !isdigit((unsigned char)(*text)[1]))
		return 0;
	for (++*text; isdigit((unsigned char)**text); ++*text) {
		thousandths += weight * (**text - '0');
		weight /= 10;
	}
	return thousandths;
}

int
parse_time(const char *text, int64_t *ms)
{
	int64_t	whole, thousandths;
	size_t	i;

	errno = EINVAL;
	if (!isdigit((unsigned char)*text))
		return -1;
	whole = read_digits(&text, PARSE_TIME_MAX + 1);
	thousandths = read_fraction(&text);
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		*ms = whole * units[i].ms + thousandths * units[i].ms / 1000;
		errno = ERANGE;
		return *ms > PARSE_TIME_MAX ? -1 : 0;
	}
	return -1;
}

int
parse_size(const char *text, uint64_t *bytes)
{
	static const char letters[] = "kMG";
	const char *letter;
	int64_t n;

	errno = EINVAL;
	if (!isdigit((unsigned char)*text))
		return -1;
	n = read_digits(&text, (int64_t)PARSE_SIZE_MAX + 1);
	*bytes = (uint64_t)n;
	if (*text != '\0') {
		letter = strchr(letters, *text);
		if (letter == NULL || text[1] != '\0')
			return -1;
		*bytes <<= 10 * (letter - letters + 1);
	}
	errno = ERANGE;
	return n > (int64_t)PARSE_SIZE_MAX || *bytes > PARSE_SIZE_MAX ? -1 : 0;
}

int
parse_number(const char *text, int min, int max, int *number)
{
	const char	*p = text;
	char		*end;
	long		 n;

	if (*p == '+' || *p == '-')
		p++;
	errno = EINVAL;
	if (!isdigit((unsigned char)*p))
		return -1;
	n = strtol(text, &end, 10);
	if (*end != '\0') {
		errno = EINVAL;
		return -1;
	}
	errno = ERANGE;
	if (n < min || n > max)
		return -1;
	*number = (int)n;
	return 0;
}

static const struct {
	char	 name[8];
	int	 sig;
} signals[] = {
	{ "HUP", SIGHUP }, { "INT", SIGINT }, { "QUIT", SIGQUIT },
	{ "ILL", SIGILL }, { "TRAP", SIGTRAP }, { "ABRT", SIGABRT },
	{ "BUS", SIGBUS }, { "FPE", SIGFPE }, { "KILL", SIGKILL },
	{ "USR1", SIGUSR1 }, { "SEGV", SIGSEGV }, { "USR2", SIGUSR2 },
	{ "PIPE", SIGPIPE }, { "ALRM", SIGALRM }, { "TERM", SIGTERM },
	{ "CHLD", SIGCHLD }, { "CONT", SIGCONT }, { "STOP", SIGSTOP },
	{ "TSTP", SIGTSTP }, { "TTIN", SIGTTIN }, { "TTOU", SIGTTOU },
	{ "URG", SIGURG }, { "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ },
	{ "VTALRM", SIGVTALRM }, { "PROF", SIGPROF }, { "SYS", SIGSYS },
#ifdef SIGWINCH
	{ "WINCH", SIGWINCH },
#endif
#ifdef SIGIO
	{ "IO", SIGIO },
#endif
#ifdef SIGPWR
	{ "PWR", SIGPWR },
#endif
};

int
parse_signal(const char *name)
{
	size_t i;
	int sig;

	if (parse_number(name, 1, 64, &sig) == 0)
		return sig;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (strcasecmp(name, signals[i].name) == 0)
			return signals[i].sig;
	}
	return -1;
}

const char *
parse_signal_name(int sig)
{
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (signals[i].sig == sig)
			return signals[i].name;
	}
	return "?";
}
