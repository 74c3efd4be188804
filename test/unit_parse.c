/* Times and numbers as people write them, and what is none. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "base/usage.h"
#include "test/tap.h"

enum { NONE = -1 };

static void
check_time(const char *text, int64_t expected_ms, int code)
{
	char	sentence[128];
	int64_t	ms = NONE;
	int	rc = parse_time(text, &ms);

	if (code == 0)
		snprintf(sentence, sizeof(sentence), "\"%s\" is %lld ms", text,
		    (long long)expected_ms);
	else
		snprintf(sentence, sizeof(sentence), "\"%s\" is refused: %s",
		    text, strerror(code));
	ok(code == 0 ? rc == 0 && ms == expected_ms :
	    rc == -1 && errno == code, sentence);
}

static void
check_size(const char *text, uint64_t expected, int code)
{
	char		sentence[128];
	uint64_t	bytes = 0;
	int		rc = parse_size(text, &bytes);

	if (code == 0)
		snprintf(sentence, sizeof(sentence), "\"%s\" is %llu bytes",
		    text, (unsigned long long)expected);
	else
		snprintf(sentence, sizeof(sentence), "\"%s\" is refused: %s",
		    text, strerror(code));
	ok(code == 0 ? rc == 0 && bytes == expected :
	    rc == -1 && errno == code, sentence);
}

static void
check_number(const char *text, int expected, int code)
{
	char	sentence[128];
	int	number = NONE;
	int	rc = parse_number(text, -5, 4096, &number);

	if (code == 0)
		snprintf(sentence, sizeof(sentence), "\"%s\" is the number %d",
		    text, expected);
	else
		snprintf(sentence, sizeof(sentence),
		    "\"%s\" is no number from -5 to 4096: %s", text,
		    strerror(code));
	ok(code == 0 ? rc == 0 && number == expected :
	    rc == -1 && errno == code && number == NONE, sentence);
}

static void
test_time(void)
{
	check_time("0", 0, 0);
	check_time("500ms", 500, 0);
	check_time("10s", 10000, 0);
	check_time("10", 10000, 0);
	check_time("2m", 120000, 0);
	check_time("1h", 3600000, 0);
	check_time("0.5", 500, 0);
	check_time("1.25m", 75000, 0);
	check_time("1.0009s", 1000, 0);
	check_time("007", 7000, 0);
	check_time("576h", PARSE_TIME_MAX, 0);
	check_time("2073600000ms", PARSE_TIME_MAX, 0);

	check_time("2073600001ms", NONE, ERANGE);
	check_time("577h", NONE, ERANGE);
	check_time("99999999999999999999999999", NONE, ERANGE);
	check_time("99999999999999999999999999h", NONE, ERANGE);
	check_time("", NONE, EINVAL);
	check_time("s", NONE, EINVAL);
	check_time("-1s", NONE, EINVAL);
	check_time("+1s", NONE, EINVAL);
	check_time(" 1s", NONE, EINVAL);
	check_time("1s ", NONE, EINVAL);
	check_time("1 s", NONE, EINVAL);
	check_time("1S", NONE, EINVAL);
	check_time("1d", NONE, EINVAL);
	check_time("1m30s", NONE, EINVAL);
	check_time("1.s", NONE, EINVAL);
	check_time(".5s", NONE, EINVAL);
	check_time("1.2.3", NONE, EINVAL);
	check_time("0x10", NONE, EINVAL);
	check_time("1e3", NONE, EINVAL);
	check_time("ten", NONE, EINVAL);
	check_time("inf", NONE, EINVAL);
}

static void
test_number(void)
{
	check_number("0", 0, 0);
	check_number("4096", 4096, 0);
	check_number("+3", 3, 0);
	check_number("-5", -5, 0);
	check_number("08", 8, 0);

	check_number("4097", NONE, ERANGE);
	check_number("-6", NONE, ERANGE);
	check_number("99999999999999999999", NONE, ERANGE);
	check_number("-99999999999999999999", NONE, ERANGE);
	check_number("", NONE, EINVAL);
	check_number("-", NONE, EINVAL);
	check_number("+-3", NONE, EINVAL);
	check_number("3x", NONE, EINVAL);
	check_number("3.0", NONE, EINVAL);
	check_number(" 3", NONE, EINVAL);
	check_number("3 ", NONE, EINVAL);
	check_number("0x3", NONE, EINVAL);
	check_number("three", NONE, EINVAL);
	check_number("99999999999999999999x", NONE, EINVAL);
}

static void
check_nearest(const char *word, const char *expected)
{
	static const char *const candidates[] = {
		"run", "reload", "status", "scale", "stop", "help",
		"stop-timeout", NULL
	};
	const char	*found = usage_nearest(word, candidates);
	char		 sentence[128];

	snprintf(sentence, sizeof(sentence), "what is nearest to \"%.20s\" is "
	    "%s", word, expected == NULL ? "nothing" : expected);
	ok(expected == NULL ? found == NULL :
	    found != NULL && strcmp(found, expected) == 0, sentence);
}

static void
test_nearest(void)
{
	check_nearest("relaod", "reload");
	check_nearest("relod", "reload");
	check_nearest("reloadd", "reload");
	check_nearest("stat", "status");
	check_nearest("sotp", "stop");
	check_nearest("rn", "run");
	check_nearest("stop-timeuot", "stop-timeout");
	check_nearest("", NULL);
	check_nearest("frobnicate", NULL);
	check_nearest("x", NULL);
	check_nearest("reloadreloadreloadreloadreloadreload", NULL);
}

static void
check_clean(const char *text, const char *expected, const char *sentence)
{
	char buf[64];

	snprintf(buf, sizeof(buf), "%s", text);
	text_clean(buf);
	ok(strcmp(buf, expected) == 0, sentence);
}

static void
test_clean(void)
{
	check_clean("exit status 1", "exit status 1", "plain text stays");
	check_clean("\xc3\xa4 \xe2\x9c\x85 \xf0\x9f\x8c\x8e",
	    "\xc3\xa4 \xe2\x9c\x85 \xf0\x9f\x8c\x8e",
	    "characters of two, three and four bytes stay");
	check_clean("a\x1b[2Jb\n\x7f", "a?[2Jb??",
	    "control characters become question marks");
	check_clean("\xc2\x9b" "31m", "??31m",
	    "so do those of the second set, which terminals obey as well");
	check_clean("\x9b" "31m\xff", "?31m?",
	    "so do bytes that are no character");
	check_clean("\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", "?????????",
	    "overlong forms, surrogates and too great ones are no characters");
	check_clean("\xe2\x9c", "??", "half a character is none");
}

static void
check_json(const char *text, size_t len, size_t size, const char *expected,
    const char *sentence)
{
	char	json[256];
	size_t	n = text_json(text, len, json, size);

	ok(n == strlen(json) && n < size && strcmp(json, expected) == 0,
	    sentence);
}

static void
test_json(void)
{
	check_json("", 0, 3, "\"\"", "no text is an empty JSON string");
	check_json("a\"b\\c/", 6, 64, "\"a\\\"b\\\\c/\"",
	    "JSON escapes quote and backslash");
	check_json("\n\0\x7f", 3, 64, "\"\\u000a\\u0000\\u007f\"",
	    "JSON escapes control characters, a NUL too");
	check_json("\xc2\x9b", 2, 64, "\"\\u009b\"",
	    "JSON escapes those of the second set");
	check_json("\xc3\xa4\xff", 3, 64, "\"\xc3\xa4\xef\xbf\xbd\"",
	    "JSON keeps characters and replaces bytes that are none");
	check_json("abcdef", 6, 6, "\"abc\"",
	    "JSON that does not fit is cut and still closed");
	check_json("ab\xe2\x9c\x85", 5, 7, "\"ab\"",
	    "JSON is not cut within a character");
}

static void
test_size(void)
{
	check_size("0", 0, 0);
	check_size("500", 500, 0);
	check_size("500k", 512000, 0);
	check_size("64M", 67108864, 0);
	check_size("1024G", PARSE_SIZE_MAX, 0);
	check_size("1025G", 0, ERANGE);
	check_size("99999999999999999999", 0, ERANGE);
	check_size("99999999999999999999G", 0, ERANGE);
	check_size("", 0, EINVAL);
	check_size("lots", 0, EINVAL);
	check_size("-1", 0, EINVAL);
	check_size("1T", 0, EINVAL);
	check_size("1MB", 0, EINVAL);
}

int
main(void)
{
	test_time();
	test_size();
	test_number();
	test_nearest();
	test_clean();
	test_json();
	return done();
}
