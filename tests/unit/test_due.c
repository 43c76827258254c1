/* The promises of src/carrier/due.c: each link comes when its moment has, and no other.
 */
#include "test_unit.h"

#include <stdlib.h>

#include "carrier/carrier.h"

enum {
    LINKS = 600, /* more than a batch, and than there is room for at first */
    ROUNDS = 200,
    CHANGES = 300,
};

/* As much of an emulator as it takes: one thread. */
static int mutex;

ErlDrvMutex *erl_drv_mutex_create(char *name)
{
    return (ErlDrvMutex *)(void *)&mutex;
}

void erl_drv_mutex_destroy(ErlDrvMutex *m)
{
}

void erl_drv_mutex_lock(ErlDrvMutex *m)
{
    assert_int_equal(mutex++, 0);
}

void erl_drv_mutex_unlock(ErlDrvMutex *m)
{
    assert_int_equal(--mutex, 0);
}

static bool memory_is_out;
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_realloc(void *old, size_t size)
{
    return memory_is_out ? NULL : __real_realloc(old, size);
}

static struct due links[LINKS];
static uint64_t until[LINKS]; /* as they were set; TACIT_NEVER once they have come */

static void set(size_t i, uint64_t moment)
{
    due_set(&links[i], i, moment);
    until[i] = moment;
}

static size_t count_due(uint64_t now)
{
    size_t count = 0;
    for (size_t i = 0; i < LINKS; i++)
        count += until[i] <= now;
    return count;
}

/* All that come now: each is due, and none is left that is. */
static size_t take(uint64_t now)
{
    ErlDrvTermData ports[DUE_BATCH];
    uint64_t last = 0;
    size_t taken = 0, count;
    bool incomplete;
    while ((count = due_take(now, ports, &incomplete)) > 0) {
        assert_false(incomplete);
        for (size_t i = 0; i < count; i++) {
            assert_true(until[ports[i]] <= now && until[ports[i]] >= last);
            last = until[ports[i]];
            until[ports[i]] = TACIT_NEVER;
        }
        taken += count;
    }
    assert_int_equal(count_due(now), 0);
    return taken;
}

static int start(void **state)
{
    for (size_t i = 0; i < LINKS; i++) {
        links[i] = (struct due){0};
        until[i] = TACIT_NEVER;
    }
    memory_is_out = false;
    return due_init();
}

static int finish(void **state)
{
    due_finish();
    return 0;
}

static void each_comes_at_its_moment_the_nearest_first(void **state)
{
    size_t taken = 0;
    srand(1);
    for (uint64_t now = 1; now <= ROUNDS; now++) {
        for (int i = 0; i < CHANGES; i++) {
            size_t link = (size_t)rand() % LINKS;
            if (rand() % 4 > 0) {
                set(link, now + (uint64_t)rand() % 50);
            } else {
                due_clear(&links[link]);
                until[link] = TACIT_NEVER;
            }
        }
        taken += take(now);
    }
    assert_true(taken > LINKS);
    size_t left = count_due(2 * ROUNDS);
    assert_int_equal(take(2 * ROUNDS), left);
}

static void more_than_a_batch_come_in_several(void **state)
{
    for (size_t i = 0; i < LINKS; i++)
        set(i, 5);
    assert_int_equal(take(4), 0);
    assert_int_equal(take(5), LINKS);
    assert_int_equal(take(6), 0);
}

static void a_link_that_is_gone_never_comes(void **state)
{
    for (size_t i = 0; i < LINKS; i++)
        set(i, 1 + i);
    for (size_t i = 0; i < LINKS; i += 2) {
        due_clear(&links[i]);
        due_clear(&links[i]);
        until[i] = TACIT_NEVER;
    }
    assert_int_equal(take(LINKS), LINKS / 2);
}

static void where_memory_ran_out_all_are_to_be_asked_once(void **state)
{
    ErlDrvTermData ports[DUE_BATCH];
    bool incomplete;
    memory_is_out = true;
    set(0, 5);
    assert_int_equal(due_take(1, ports, &incomplete), 0);
    assert_true(incomplete);
    assert_int_equal(due_take(9, ports, &incomplete), 0);
    assert_false(incomplete);
    memory_is_out = false;
    set(0, 5);
    assert_int_equal(due_take(9, ports, &incomplete), 1);
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(each_comes_at_its_moment_the_nearest_first),
        PROMISE(more_than_a_batch_come_in_several),
        PROMISE(a_link_that_is_gone_never_comes),
        PROMISE(where_memory_ran_out_all_are_to_be_asked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
