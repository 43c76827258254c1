/* The promises of src/session/review.c: a live link goes on, or ends and why. */
#include "test_conf.h"

#include <sodium.h>
#include <string.h>

#include "session/review.h"

#define ON_LINE PEER("a@h", KEY_2)
static const uint64_t NOW = 900000000; /* 1998 */

/* A link with a@h, made under ON_LINE alone. */
static struct tacit_claim peer;
static uint8_t peer_key[NOISE_DHLEN], key_id[TACIT_PAIR_KEY_ID];
static struct tacit_address address;
static struct tacit_review link;
static struct ruling ruling;

static int setup(void **state)
{
    struct tacit_policy *policy = must_load(BASE ON_LINE);
    peer = (struct tacit_claim){.version = 1, .name = "a@h"};
    assert_int_equal(tacit_key_from_text(KEY_2, peer_key), 0);
    assert_int_equal(tacit_address_from_text("192.0.2.9", &address), 0);
    tacit_pair_key_id(policy, peer_key, key_id);
    link = (struct tacit_review){.peer = &peer,
                                 .peer_key = peer_key,
                                 .address = &address,
                                 .inbound = true,
                                 .suite = TACIT_SUITE_CHACHA20_POLY1305,
                                 .pair_key_id = key_id};
    tacit_policy_free(policy);
    return 0;
}

static int review(const char *conf, bool revoked)
{
    struct tacit_policy *policy = must_load(conf);
    const struct tacit_now now = {.ends = NOW, .begins = NOW};
    int error = tacit_review(&link, policy, &now, revoked, &ruling);
    tacit_policy_free(policy);
    return error;
}

static void assert_ends(const char *conf, enum tacit_close reason, const char *text)
{
    assert_int_not_equal(review(conf, false), 0);
    assert_int_equal(ruling.reason, reason);
    assert_string_equal(ruling.text, text);
}

static void it_goes_on_while_a_line_allows_it_and_says_until_when(void **state)
{
    assert_int_equal(review(BASE ON_LINE, false), 0);
    assert_int_equal(ruling.until, TACIT_NEVER);
    assert_int_equal(review(BASE ON_LINE "expires = 2001-01-01\n", false), 0);
    assert_int_equal(ruling.until, 978307200);
    assert_string_equal(ruling.line, "/c/tacit.conf:5");
}

static void it_ends_where_no_line_allows_it_any_more(void **state)
{
    assert_ends(BASE, TACIT_CLOSE_REFUSED, "no [peer] line allows it");
    assert_ends(BASE ON_LINE "from = 198.51.100.0/24\n", TACIT_CLOSE_ADDRESS,
                "the line that decides does not allow the address");
    assert_ends(BASE ON_LINE "expires = 1998-01-01\n", TACIT_CLOSE_EXPIRED,
                "the line that decides has expired");
    assert_ends(BASE ON_LINE "direction = out\n", TACIT_CLOSE_DIRECTION,
                "the line that decides is for the other direction");
}

static void it_ends_when_the_host_revokes_the_key(void **state)
{
    assert_int_not_equal(review(BASE ON_LINE, true), 0);
    assert_int_equal(ruling.reason, TACIT_CLOSE_REVOKED);
}

static void it_ends_where_its_suite_is_not_allowed_any_more(void **state)
{
    assert_ends(MESH "suites = aes-256-gcm\n" HOST ON_LINE, TACIT_CLOSE_REFUSED,
                "suites no longer has the link's");
}

static void it_ends_where_the_peer_is_not_as_hidden_as_the_line_says(void **state)
{
    static const char conf[] = BASE ON_LINE "visibility = hidden\n";
    assert_int_equal(review(conf, false), 0); /* it has not said yet */
    link.seen = TACIT_HIDDEN;
    assert_int_equal(review(conf, false), 0);
    link.seen = TACIT_VISIBLE;
    assert_ends(conf, TACIT_CLOSE_VISIBILITY,
                "the rule for it wants a hidden node, it is visible");
}

static void it_ends_where_the_pair_key_is_new_another_or_gone(void **state)
{
    static const char first[] = BASE ON_LINE "pair-key = p1.key\n";
    assert_ends(first, TACIT_CLOSE_REFUSED, "the pair key has changed");
    struct tacit_policy *policy = must_load(first);
    tacit_pair_key_id(policy, peer_key, key_id);
    tacit_policy_free(policy);
    assert_int_equal(review(first, false), 0);
    assert_ends(BASE ON_LINE "pair-key = p2.key\n", TACIT_CLOSE_REFUSED,
                "the pair key has changed");
    assert_ends(BASE ON_LINE, TACIT_CLOSE_REFUSED, "the pair key has changed");
}

#define PROMISE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        PROMISE(it_goes_on_while_a_line_allows_it_and_says_until_when),
        PROMISE(it_ends_where_no_line_allows_it_any_more),
        PROMISE(it_ends_when_the_host_revokes_the_key),
        PROMISE(it_ends_where_its_suite_is_not_allowed_any_more),
        PROMISE(it_ends_where_the_peer_is_not_as_hidden_as_the_line_says),
        PROMISE(it_ends_where_the_pair_key_is_new_another_or_gone),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
