/* The promises of src/gate/pending: who goes when there are too many, and when. */
#include "test_unit.h"

#include <string.h>

#include "gate/pending.h"

static struct tacit_pending p;
static struct tacit_pending_entry entries[TACIT_PENDING_MAX];

static int start(void **state)
{
    memset(&p, 0, sizeof p);
    memset(entries, 0, sizeof entries);
    return 0;
}

static struct tacit_pending_entry *add(size_t i, const char *address, int64_t at)
{
    struct tacit_address a;
    assert_int_equal(tacit_address_from_text(address, &a), 0);
    tacit_pending_add(&p, &entries[i], &a, at);
    return &entries[i];
}

static void nobody_waits_in_an_empty_table(void **state)
{
    assert_null(tacit_pending_victim(&p));
    assert_int_equal(tacit_pending_wait(&p, -5000), -1);
}

static void everybody_has_ten_seconds(void **state)
{
    struct tacit_pending_entry *e = add(0, "192.0.2.1", -1000000); /* as Erlang's clock */
    assert_int_equal(tacit_pending_deadline(&p, e, -1000000), -990000);
    assert_int_equal(tacit_pending_wait(&p, -1000000), 10000);
    assert_int_equal(tacit_pending_wait(&p, -990001), 1);
    assert_int_equal(tacit_pending_wait(&p, 0), 0);
}

static void the_heaviest_source_loses_its_oldest(void **state)
{
    add(0, "192.0.2.9", 0);
    struct tacit_pending_entry *flood = add(1, "192.0.2.1", 1);
    add(2, "192.0.2.1", 2);
    assert_ptr_equal(tacit_pending_victim(&p), flood);
    tacit_pending_remove(&p, flood);
    assert_ptr_equal(tacit_pending_victim(&p), &entries[0]); /* all weigh the same */
}

static void a_network_of_many_64s_is_one_source(void **state)
{
    add(0, "[2001:db8:1:1::1]", 0);
    add(1, "[2001:db8:1:1::2]", 0); /* two of one /64, and no more of its /48 */
    struct tacit_pending_entry *flood = add(2, "[2001:db8:2:1::1]", 1);
    add(3, "[2001:db8:2:2::1]", 2);
    add(4, "[2001:db8:2:3::1]", 3);
    assert_ptr_equal(tacit_pending_victim(&p), flood);
}

static void of_networks_as_heavy_the_heaviest_64_loses_its_oldest(void **state)
{
    add(0, "[2001:db8:1:1::1]", 0);
    add(1, "[2001:db8:1:2::1]", 1);
    struct tacit_pending_entry *flood = add(2, "[2001:db8:1:3::1]", 2);
    add(3, "[2001:db8:1:3::2]", 3);
    assert_ptr_equal(tacit_pending_victim(&p), flood);
}

/* The door accepted it, and passed it on only now. */
static void one_that_comes_late_is_as_old_as_its_accept(void **state)
{
    add(0, "192.0.2.1", 1000);
    add(1, "192.0.2.2", 3000);
    add(2, "192.0.2.3", 2000);
    add(3, "192.0.2.4", 500);
    static const size_t order[] = {3, 0, 2, 1};
    const struct tacit_pending_entry *e = p.oldest;
    for (size_t i = 0; i < COUNT(order); i++, e = e->next)
        assert_ptr_equal(e, &entries[order[i]]);
    assert_null(e);
    assert_ptr_equal(p.newest, &entries[1]);
    assert_int_equal(tacit_pending_wait(&p, 3000), 7500);
    for (size_t i = 0; i < COUNT(order); i++) {
        assert_ptr_equal(tacit_pending_victim(&p), &entries[order[i]]);
        tacit_pending_remove(&p, &entries[order[i]]);
    }
}

static void who_showed_a_first_message_goes_last(void **state)
{
    for (size_t i = 0; i < 5; i++)
        add(i, "192.0.2.1", 0)->first_seen = true;
    struct tacit_pending_entry *stranger = add(5, "192.0.2.2", 0);
    assert_ptr_equal(tacit_pending_victim(&p), stranger);
    tacit_pending_remove(&p, stranger);
    assert_ptr_equal(tacit_pending_victim(&p), &entries[0]);
}

/* They hold the mesh key, and no more: a newcomer who has just come stays all the same.
 */
static void those_who_only_showed_a_first_message_take_half_at_most(void **state)
{
    struct tacit_pending_entry *stranger = add(0, "192.0.2.2", 0);
    size_t half = TACIT_PENDING_MAX / 2;
    for (size_t i = 1; i <= half; i++)
        add(i, i < 10 ? "192.0.2.3" : "192.0.2.1", (int64_t)i)->first_seen = true;
    assert_ptr_equal(tacit_pending_victim(&p), stranger);
    add(half + 1, "192.0.2.1", 5000)->first_seen = true;
    assert_ptr_equal(tacit_pending_victim(&p), &entries[10]);
}

static void short_of_slots_a_stranger_has_one_second(void **state)
{
    size_t many = TACIT_PENDING_MAX / 4 * 3 + 1;
    for (size_t i = 0; i < many; i++)
        add(i, "192.0.2.1", 100);
    entries[0].first_seen = true;
    assert_int_equal(tacit_pending_deadline(&p, &entries[1], 200), 1100);
    assert_int_equal(tacit_pending_deadline(&p, &entries[0], 200), 10100);
    assert_int_equal(tacit_pending_wait(&p, 200), 1000); /* not the first one's 9900 */
    tacit_pending_remove(&p, &entries[5]);
    assert_int_equal(tacit_pending_deadline(&p, &entries[1], 200), 10100);
}

static void short_of_descriptors_as_well_for_ten_seconds(void **state)
{
    add(0, "192.0.2.1", -50000);
    tacit_pending_starve(&p, -50000);
    assert_int_equal(tacit_pending_deadline(&p, &entries[0], -49999), -49000);
    assert_int_equal(tacit_pending_deadline(&p, &entries[0], -40000), -40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nobody_waits_in_an_empty_table, start),
        cmocka_unit_test_setup(everybody_has_ten_seconds, start),
        cmocka_unit_test_setup(the_heaviest_source_loses_its_oldest, start),
        cmocka_unit_test_setup(a_network_of_many_64s_is_one_source, start),
        cmocka_unit_test_setup(of_networks_as_heavy_the_heaviest_64_loses_its_oldest,
                               start),
        cmocka_unit_test_setup(one_that_comes_late_is_as_old_as_its_accept, start),
        cmocka_unit_test_setup(who_showed_a_first_message_goes_last, start),
        cmocka_unit_test_setup(those_who_only_showed_a_first_message_take_half_at_most,
                               start),
        cmocka_unit_test_setup(short_of_slots_a_stranger_has_one_second, start),
        cmocka_unit_test_setup(short_of_descriptors_as_well_for_ten_seconds, start),
    };
    return cmocka_run_group_tests_name("pending", tests, NULL, NULL);
}
