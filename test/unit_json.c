/* Lines of JSON: what is one, what is none, and what its members say. */
#include <stdio.h>
#include <string.h>

#include "master/node/json.h"
#include "test/tap.h"

static char sentence[200];

static bool
reads(const char *line)
{
	struct json j;

	return json_read(&j, line, strlen(line)) == 0;
}

static void
good(const char *line)
{
	snprintf(sentence, sizeof(sentence), "%.100s is JSON", line);
	ok(reads(line), sentence);
}

static void
bad(const char *line)
{
	snprintf(sentence, sizeof(sentence), "%.100s is none", line);
	ok(!reads(line), sentence);
}

/* What a value says, a NUL behind it. */
static const char *
text(const struct json_value *v)
{
	static char buf[200];

	if (v->at == NULL)
		return "none";
	buf[json_text(v, buf)] = '\0';
	return buf;
}

static void
says(const char *value, const char *expected)
{
	char line[200];
	struct json j;

	snprintf(line, sizeof(line), "{\"id\":%s}", value);
	snprintf(sentence, sizeof(sentence), "%s says %s", value, expected);
	ok(json_read(&j, line, strlen(line)) == 0 &&
	    strcmp(text(&j.id), expected) == 0, sentence);
}

static void
members(void)
{
	static const char line[] = " { \"cmd\" : \"saveBroadcast\", \"x\":"
	    "{\"cmd\":\"no\",\"id\":[1,{\"id\":2}]},\"pid\":77,\"id\":\"k\","
	    "\"data\":{\"a\":[1,2,{}]},\"name\":\"n\",\"id\":\"last\"} ";
	struct json j;

	ok(json_read(&j, line, strlen(line)) == 0, "an object is read");
	ok(json_is(&j.cmd, "saveBroadcast"), "its cmd is found");
	ok(!json_is(&j.cmd, "saveBroadcas") &&
	    !json_is(&j.cmd, "saveBroadcast\""), "and no other");
	ok(strcmp(text(&j.pid), "77") == 0, "its pid, a number");
	ok(strcmp(text(&j.id), "last") == 0, "its id, of two the last");
	ok(j.data.len == strlen("{\"a\":[1,2,{}]}") &&
	    j.data.at[0] == '{', "its data, as they stand");
	ok(strcmp(text(&j.name), "n") == 0, "its name");
	ok(j.all.at == line + 1 && j.all.len == strlen(line) - 2,
	    "and where it begins and ends");
	ok(json_read(&j, "[{\"cmd\":\"x\"}]", 13) == 0 &&
	    j.cmd.at == NULL, "what is within an array is no member");
	ok(json_read(&j, "\"ready\"", 7) == 0 &&
	    json_is(&j.all, "ready"), "a string is a value, too");
}

static void
deep(int depth, bool is_good)
{
	static char line[2 * JSON_DEPTH + 100];

	memset(line, '[', (size_t)depth);
	memset(line + depth, ']', (size_t)depth);
	line[2 * depth] = '\0';
	snprintf(sentence, sizeof(sentence), "%d arrays in each other are %s",
	    depth, is_good ? "read" : "refused");
	ok(reads(line) == is_good, sentence);
}

/* Each beginning of a line, and each line with a byte of chance in it: no more
 * is asked than that it ends, within the line. */
static void
broken(void)
{
	static const char line[] = "{\"cmd\":\"a\\u00e9\\n\",\"id\":[1.5e-3,"
	    "true,null,{}],\"data\":{\"x\":\"\\ud83d\\ude00\"},\"name\":\"\"}";
	char copy[sizeof(line)], buf[sizeof(line)];
	struct json j;
	size_t i, n = strlen(line);
	int byte, whole = 0;

	for (i = 0; i < n; i++)
		whole += json_read(&j, line, i) == 0;
	ok(whole == 0, "no beginning of a line is one");
	for (i = 0; i < n; i++) {
		for (byte = 0; byte < 256; byte++) {
			memcpy(copy, line, n);
			copy[i] = (char)byte;
			if (json_read(&j, copy, n) == 0 &&
			    j.name.at != NULL)
				json_text(&j.name, buf);
		}
	}
	ok(true, "a byte of chance does no harm");
}

int
main(void)
{
	good("{}");
	good("[]");
	good("{\"a\":{}}");
	good("[[],[[]],{}]");
	good(" [ 1 , -2.5 , 0 , 1e9 , 1E+2 , 0.1e-7 ] ");
	good("[true,false,null,\"\"]");
	good("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"");
	good("{\"\xc3\xa9\":\"\xf0\x9f\x98\x80\"}");
	good("1");
	bad("");
	bad(" ");
	bad("{");
	bad("}");
	bad("{\"a\"}");
	bad("{\"a\":}");
	bad("{\"a\":1,}");
	bad("{,}");
	bad("{\"a\":1 \"b\":2}");
	bad("{a:1}");
	bad("[1,]");
	bad("[,1]");
	bad("[1 2]");
	bad("[1}");
	bad("{\"a\":1]");
	bad("{\"a\":[1}}");
	bad("{}{}");
	bad("{} x");
	bad("tru");
	bad("nul");
	bad("undefined");
	bad("01");
	bad("1.");
	bad(".5");
	bad("-");
	bad("+1");
	bad("1e");
	bad("\"");
	bad("\"\\x\"");
	bad("\"\\u12g4\"");
	bad("\"\t\"");
	bad("'a'");
	says("\"plain\"", "plain");
	says("\"\"", "");
	says("17", "17");
	says("-1.5e3", "-1.5e3");
	says("\"a\\\"b\\\\c\\/d\"", "a\"b\\c/d");
	says("\"\\n\\t\"", "\n\t");
	says("\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac");
	says("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80");
	says("\"\\ud83d\"", "\xef\xbf\xbd");
	says("\"\\ude00x\"", "\xef\xbf\xbdx");
	says("\"\\ud83d\\u0041\"", "\xef\xbf\xbd" "A");
	members();
	deep(JSON_DEPTH, true);
	deep(JSON_DEPTH + 1, false);
	broken();
	return done();
}
