/*
 * Handshake messages and records that somebody altered at random: none is accepted, and
 * no byte is answered. TACIT_MUTATIONS is how many in all, TACIT_SEED the first of the
 * seeds that they are drawn from, one each: a failure names the one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "test_record.h"

enum {
    MUTATIONS = 1000000,
    MOST = 4,
    LONGEST = 4096
};

static uint64_t seed; /* of the mutation in hand */
static uint8_t original[LONGEST], mutated[LONGEST + 64];
static size_t original_len, mutated_len;

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value == NULL ? otherwise : strtoull(value, NULL, 10);
}

/* A share of all mutations, in percent. */
static uint64_t share(unsigned percent)
{
    return from_environment("TACIT_MUTATIONS", MUTATIONS) * percent / 100;
}

/* The next number of the seed's. */
static uint32_t draw(uint32_t below)
{
    static uint64_t of;
    static unsigned n;
    static uint32_t numbers[64];
    uint8_t key[randombytes_SEEDBYTES] = {0};
    if (of != seed || n == COUNT(numbers)) {
        memcpy(key, &seed, sizeof seed);
        key[8] = of == seed;
        randombytes_buf_deterministic(numbers, sizeof numbers, key);
        of = seed;
        n = 0;
    }
    return numbers[n++] % below;
}

/* ---- What is done to a message -------------------------------------------------------
 */

static void alter_bytes(size_t from, size_t len, int with)
{
    for (size_t i = from; i < from + len && i < mutated_len; i++)
        mutated[i] = with < 0 ? (uint8_t)draw(256) : (uint8_t)with;
}

/* Longer or shorter, with a length that fits. */
static void resize(size_t len)
{
    if (len > mutated_len)
        for (size_t i = mutated_len; i < len; i++)
            mutated[i] = (uint8_t)draw(256);
    mutated_len = len;
    mutated[0] = (uint8_t)((len - 2) >> 8);
    mutated[1] = (uint8_t)(len - 2);
}

static void swap_pieces(void)
{
    uint8_t piece[32];
    uint32_t a = draw((uint32_t)mutated_len), b = draw((uint32_t)mutated_len);
    size_t len = sizeof piece;
    if (a + len > mutated_len || b + len > mutated_len)
        return;
    memcpy(piece, mutated + a, len);
    memmove(mutated + a, mutated + b, len);
    memcpy(mutated + b, piece, len);
}

static void alter_once(void)
{
    uint32_t at = draw((uint32_t)mutated_len);
    switch (draw(8)) {
    case 0:
        alter_bytes(at, 1 + draw(64), 0);
        break;
    case 1:
        alter_bytes(at, 1 + draw(64), -1);
        break;
    case 2:
        alter_bytes(2, mutated_len, -1); /* nothing but the length is left */
        break;
    case 3:
        swap_pieces();
        break;
    case 4:
        resize(2 + draw((uint32_t)mutated_len));
        break;
    case 5:
        resize(mutated_len + 1 + draw(32));
        break;
    default:
        mutated[at] ^= (uint8_t)(1u << draw(8));
        break;
    }
}

/* Never what it was, with or without something behind it. */
static void mutate(void)
{
    memcpy(mutated, original, original_len);
    mutated_len = original_len;
    for (uint32_t n = 1 + draw(MOST); n > 0 && mutated_len > 2 && mutated_len < LONGEST;
         n--)
        alter_once();
    if (mutated_len >= original_len && memcmp(mutated, original, original_len) == 0)
        mutated[draw((uint32_t)original_len)] ^= 1;
}

#define GOOD(condition)                                            \
    do {                                                           \
        if (!(condition)) {                                        \
            print_message("TACIT_MUTATIONS=100 TACIT_SEED=%llu\n", \
                          (unsigned long long)seed);               \
            fail_msg("%s", #condition);                            \
        }                                                          \
    } while (0)

/* ---- Handshakes ----------------------------------------------------------------------
 */

/* A copy of what hs is takes the mutation, in two pieces: an error, or still not enough.
 */
static void offered(const struct tacit_handshake *hs)
{
    struct tacit_handshake copy = *hs;
    const uint8_t *bytes;
    size_t used, first = draw((uint32_t)mutated_len + 1);
    int error = tacit_handshake_feed(&copy, mutated, first, &used);
    if (!error && used == first)
        error = tacit_handshake_feed(&copy, mutated + first, mutated_len - first, &used);
    GOOD(error || tacit_handshake_wants(&copy) > 0);
    GOOD(copy.state == (error ? TACIT_HANDSHAKE_FAILED : hs->state));
    GOOD(tacit_handshake_output(&copy, &bytes) == 0);
    tacit_handshake_wipe(&copy);
}

/* Messages are made again for each thousand mutations. */
static void each_handshake(uint64_t count, int messages)
{
    struct pair p;
    seed = from_environment("TACIT_SEED", 1);
    for (uint64_t n = 0; n < count; n++, seed++) {
        struct side *to = messages == 2 ? &p.i : &p.r;
        if (n % 1000 == 0) {
            pair_make(&p);
            pair_start(&p);
            original_len = take_output(&p.i, original);
            for (int k = 1; k < messages; k++) {
                struct side *reads = k == 1 ? &p.r : &p.i;
                assert_int_equal(feed(reads, original, original_len), 0);
                original_len = take_output(reads, original);
            }
            to->firsts = to->decisions = 0;
        }
        mutate();
        offered(&to->hs);
        GOOD(to->decisions == 0 && to->firsts == 0);
    }
}

static void no_mutated_first_message_is_answered(void **state)
{
    each_handshake(share(40), 1);
}

static void no_mutated_second_message_gets_a_third(void **state)
{
    each_handshake(share(10), 2);
}

static void no_mutated_third_message_makes_a_channel(void **state)
{
    each_handshake(share(10), 3);
}

/* ---- Records -------------------------------------------------------------------------
 */

static unsigned suites_here(void)
{
    unsigned count = 0;
    for (int suite = 1; suite <= TACIT_SUITE_LAST; suite++)
        count += (tacit_suites_available() & 1u << suite) != 0;
    return count;
}

/* Of any type; the channel has opened some already. */
static void records_of(enum tacit_suite suite)
{
    static const enum tacit_record_type types[] = {TACIT_RECORD_DATA, TACIT_RECORD_REKEY,
                                                   TACIT_RECORD_CLOSE};
    seed = from_environment("TACIT_SEED", 1);
    for (uint64_t n = 0, count = share(40) / suites_here(); n < count; n++, seed++) {
        size_t len;
        enum tacit_record_type type;
        if (n % 1000 == 0) {
            open_ends(suite);
            assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, 10), 0);
            assert_int_equal(open_record(&ends.b, &len), 0);
            type = types[n / 1000 % COUNT(types)];
            len = type == TACIT_RECORD_DATA ? 1000 : 60;
            assert_int_equal(seal(&ends.a, type, len), 0);
            memcpy(original, ends.record, original_len = ends.len);
        }
        mutate();
        struct tacit_channel copy = ends.b;
        size_t size = tacit_record_size(mutated, mutated_len);
        if (size == 0 || size > mutated_len)
            continue; /* it waits for more */
        GOOD(tacit_channel_open(&copy, mutated, size, ends.plain, &len, &type) != 0);
        GOOD(copy.failed);
    }
}

static void no_mutated_record_opens(void **state)
{
    randombytes_buf(data, sizeof data);
    each_suite(records_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_mutated_first_message_is_answered),
        cmocka_unit_test(no_mutated_second_message_gets_a_third),
        cmocka_unit_test(no_mutated_third_message_makes_a_channel),
        cmocka_unit_test(no_mutated_record_opens),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("mutated", tests, NULL, NULL);
}
