/* Bit-fields that share a byte are one place in memory; a :0 between them parts them. */
#include "race.h"

struct {
	unsigned a : 4;
	unsigned b : 4;
	unsigned : 0;
	unsigned c : 4;
} bits;

static void set_a(void)
{
	bits.a = 3; /* EXPECT: data-race in same_byte, read_and_write */
}

static void set_b(void)
{
	bits.b = 5; /* EXPECT: data-race in same_byte */
}

static void set_c(void)
{
	bits.c = 7;
}

static void look_a(void)
{
	LOOK(bits.a); /* EXPECT: data-race in read_and_write */
}

static void look_c(void)
{
	LOOK(bits.c);
}

static void same_byte(void)
{
	in_turn(set_a, set_b);
}

static void parted(void) /* EXPECT: silence in parted */
{
	in_turn(set_a, set_c);
}

static void read_and_write(void)
{
	in_turn3(set_c, set_a, look_a);
}

static void read_parted(void) /* EXPECT: silence in read_parted */
{
	in_turn3(set_a, look_c, look_c);
}

CASES(CASE(same_byte), CASE(parted), CASE(read_and_write), CASE(read_parted))
