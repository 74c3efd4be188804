/* A pile: what is appended at the end comes out at the front. */
#include <string.h>

#include "base/pile.h"
#include "test/tap.h"

static struct pile pile;

static bool
holds(const char *text)
{
	return pile_len(&pile) == strlen(text) &&
	    memcmp(pile.bytes + pile.begin, text, strlen(text)) == 0;
}

/* Append and use up pieces of different lengths, and compare each byte with
 * its place in the whole. */
static void
flow(void)
{
	unsigned char piece[700];
	size_t in = 0, out = 0, i, n;
	int wrong = 0, round;

	for (round = 1; round < 3000; round++) {
		n = (size_t)round * 37 % sizeof(piece);
		for (i = 0; i < n; i++)
			piece[i] = (unsigned char)((in + i) % 251);
		wrong += pile_append(&pile, piece, n) == -1;
		in += n;
		n = (size_t)round * 53 % (pile_len(&pile) + 1);
		for (i = 0; i < n; i++)
			wrong += (unsigned char)pile.bytes[pile.begin + i] !=
			    (out + i) % 251;
		pile_use(&pile, n);
		out += n;
		wrong += pile_len(&pile) != in - out;
	}
	ok(wrong == 0, "bytes come out whole and in order");
}

static void
memory(void)
{
	static const char big[1 << 20];
	size_t size;

	pile_append(&pile, "x", 1);
	pile_use(&pile, 1);
	size = pile.size;
	ok(size > 0, "little memory is kept for the next bytes");
	ok(pile_append(&pile, big, sizeof(big)) == 0 &&
	    pile.size >= sizeof(big), "a pile grows to what it holds");
	pile_use(&pile, sizeof(big) - 1);
	ok(pile.bytes != NULL, "and keeps that while it holds a byte");
	pile_use(&pile, 1);
	ok(pile.bytes == NULL && pile.size == 0,
	    "much memory is freed when nothing is held");
}

int
main(void)
{
	ok(pile_len(&pile) == 0, "a pile that is zero is empty");
	pile_append(&pile, "ab", 2);
	pile_append(&pile, "", 0);
	pile_append(&pile, "cd", 2);
	ok(holds("abcd"), "what is appended stands behind the rest");
	pile_use(&pile, 3);
	ok(holds("d"), "what is used up is gone from the front");
	ok(pile_reserve(&pile, 5000) == 0 && holds("d") &&
	    pile.size - pile.end >= 5000, "room is made behind what is held");
	pile_free(&pile);
	ok(pile_len(&pile) == 0 && pile.bytes == NULL, "a freed pile is empty");
	flow();
	pile_free(&pile);
	memory();
	pile_free(&pile);
	return done();
}
