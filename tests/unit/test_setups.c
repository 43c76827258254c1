/* The promises of src/gate/setups.h: a key without the cookie keeps nobody else out. */
#include "test_unit.h"

#include <sodium.h>
#include <string.h>

#include "gate/setups.h"

static struct tacit_setups setups;

static const uint8_t *key(unsigned n)
{
    static uint8_t keys[2][NOISE_DHLEN];
    static unsigned next;
    uint8_t *k = keys[next++ % 2];
    memset(k, 0, NOISE_DHLEN);
    memcpy(k, &n, sizeof n);
    return k;
}

static unsigned enter(unsigned n, unsigned times)
{
    unsigned entered = 0;
    for (unsigned i = 0; i < times; i++)
        entered += tacit_setups_enter(&setups, key(n));
    return entered;
}

static void one_key_has_so_many_and_others_come_in(void **state)
{
    memset(&setups, 0, sizeof setups);
    assert_int_equal(enter(1, 1000), TACIT_SETUPS_OF_KEY);
    assert_int_equal(enter(2, 10), 10);
    tacit_setups_leave(&setups, key(1));
    assert_int_equal(enter(1, 10), 1);
    for (unsigned i = 0; i < TACIT_SETUPS_OF_KEY; i++)
        tacit_setups_leave(&setups, key(1));
    tacit_setups_leave(&setups, key(1)); /* one too many changes nothing */
    tacit_setups_leave(&setups, key(3));
    assert_int_equal(setups.count, 10);
    assert_int_equal(enter(1, 1000), TACIT_SETUPS_OF_KEY);
}

static void all_together_have_so_many(void **state)
{
    memset(&setups, 0, sizeof setups);
    unsigned entered = 0;
    for (unsigned n = 1; n <= 2000; n++)
        entered += enter(n, 1);
    assert_int_equal(entered, TACIT_SETUPS_MAX);
    assert_int_equal(enter(1, 1), 0);
    tacit_setups_leave(&setups, key(7));
    assert_int_equal(enter(5000, 2), 1);
}

static unsigned bring(unsigned n, unsigned times, int64_t now)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < times; i++)
        taken += tacit_setups_name(&setups, key(n), now);
    return taken;
}

static void names_that_never_become_links_are_few(void **state)
{
    const int64_t now = 123456789, minute = 60000;
    memset(&setups, 0, sizeof setups);
    assert_int_equal(bring(1, 5000, now), 1000);
    assert_int_equal(bring(1, 10, now + minute / 2), 0);
    assert_int_equal(bring(1, 10, now + 2 * minute), 2);
    /* One that became a link does not count. */
    tacit_setups_named(&setups, key(1));
    assert_int_equal(bring(1, 10, now + 2 * minute), 1);
}

/* Keys share buckets by chance: of some others one at least has its own. */
static void and_keep_no_other_key_from_bringing_its_own(void **state)
{
    unsigned taken = 0;
    memset(&setups, 0, sizeof setups);
    assert_int_equal(bring(1, 1000, 5), 1000);
    for (unsigned n = 2; n < 6; n++)
        taken += bring(n, 1, 5);
    assert_true(taken > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_has_so_many_and_others_come_in),
        cmocka_unit_test(all_together_have_so_many),
        cmocka_unit_test(names_that_never_become_links_are_few),
        cmocka_unit_test(and_keep_no_other_key_from_bringing_its_own),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("setups", tests, NULL, NULL);
}
