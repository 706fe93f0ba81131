/* Which bytes: neighbours do not race, overlaps do, of whatever size and alignment. */
#include <stdint.h>

#include "race.h"

union words {
	uint8_t byte[64];
	uint64_t word[8];
} __attribute__((aligned(64)));

union words w;

struct __attribute__((packed)) packed {
	char c;
	uint64_t u64;
	uint16_t u16;
} packed;

/* A store of that type at that offset. */
#define STORE(name, type, offset)                                  \
	static void name(void)                                     \
	{                                                          \
		*(volatile type *)(void *)(w.byte + (offset)) = 1; \
	}
#define LOAD(name, type, offset)                                     \
	static void name(void)                                       \
	{                                                            \
		(void)*(volatile type *)(void *)(w.byte + (offset)); \
	}

typedef uint16_t __attribute__((aligned(1))) u16;
typedef uint32_t __attribute__((aligned(1))) u32;
typedef uint64_t __attribute__((aligned(1))) u64;

STORE(store_8_at_0, uint8_t, 0) /* EXPECT: data-race in first_byte */
STORE(store_8_at_3, uint8_t, 3) /* EXPECT: data-race in last_byte */
STORE(store_8_at_4, uint8_t, 4)
STORE(store_8_at_7, uint8_t, 7) /* EXPECT: data-race in middle_of_eight */
STORE(store_8_at_8, uint8_t, 8) /* EXPECT: data-race in across_words */
STORE(store_32_at_0, u32, 0)    /* EXPECT: data-race in first_byte, last_byte */
STORE(store_32_at_4, u32, 4)
STORE(store_16_at_3, u16, 3) /* EXPECT: data-race in misaligned */
LOAD(load_32_at_4, u32, 4)   /* EXPECT: data-race in misaligned */
LOAD(load_64_at_0, u64, 0)   /* EXPECT: data-race in middle_of_eight */
STORE(store_64_at_1, u64, 1) /* EXPECT: data-race in across_words */
LOAD(load_64_at_52, u64, 52) /* EXPECT: data-race in across_lines */
STORE(store_64_at_56, u64, 56)
STORE(store_32_at_54, u32, 54) /* EXPECT: data-race in across_lines */

static void neighbours(void) /* EXPECT: silence in neighbours */
{
	in_turn3(store_8_at_3, store_8_at_4, store_8_at_0);
}

static void halves(void) /* EXPECT: silence in halves */
{
	in_turn(store_32_at_0, store_32_at_4);
}

static void half_and_byte(void) /* EXPECT: silence in half_and_byte */
{
	in_turn(store_32_at_0, store_8_at_4);
}

static void first_byte(void)
{
	in_turn(store_32_at_0, store_8_at_0);
}

static void last_byte(void)
{
	in_turn(store_8_at_3, store_32_at_0);
}

static void misaligned(void)
{
	in_turn(store_16_at_3, load_32_at_4);
}

static void middle_of_eight(void)
{
	in_turn(store_8_at_7, load_64_at_0);
}

/* The byte at 8 is the last of eight that begin at 1. */
static void across_words(void)
{
	in_turn(store_64_at_1, store_8_at_8);
}

static void across_lines(void)
{
	in_turn(store_32_at_54, load_64_at_52);
}

static void last_word(void) /* EXPECT: silence in last_word */
{
	in_turn(load_64_at_0, store_64_at_56);
}

static void packed_long(void)
{
	packed.u64 = 1; /* EXPECT: data-race in packed_member */
}

static void packed_char(void)
{
	packed.c = 1;
}

static void packed_short(void)
{
	packed.u16 = 1;
}

static void look_packed(void)
{
	LOOK(packed.u64); /* EXPECT: data-race in packed_member */
}

static void packed_members(void) /* EXPECT: silence in packed_members */
{
	in_turn3(packed_char, packed_long, packed_short);
}

static void packed_member(void)
{
	in_turn3(packed_char, packed_long, look_packed);
}

/* Every thread its own byte of the same words, at the same time. */
static void *own_byte(void *arg)
{
	volatile uint8_t *mine = &w.byte[(long)arg];

	for (int i = 0; i < 1000; i++)
		(*mine)++;
	return NULL;
}

static void own_bytes(void) /* EXPECT: silence in own_bytes */
{
	pthread_t t[8];

	for (long i = 0; i < 8; i++)
		t[i] = start_with(own_byte, (void *)i);
	for (int i = 0; i < 8; i++)
		finish(t[i]);
	for (int i = 0; i < 8; i++)
		MUST(w.byte[i] == (uint8_t)1000);
}

CASES(CASE(neighbours), CASE(halves), CASE(half_and_byte), CASE(first_byte), CASE(last_byte), CASE(misaligned),
      CASE(middle_of_eight), CASE(across_words), CASE(across_lines), CASE(last_word), CASE(packed_members),
      CASE(packed_member), CASE(own_bytes))
