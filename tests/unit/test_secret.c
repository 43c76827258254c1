/* The promises of src/base/secret: what holds secrets is wiped, and costs little. */
#include "test_unit.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "base/secret.h"

enum {
    THREADS = 4,
    ROUNDS = 2000,
    HELD = 40, /* by each thread, of three sizes: several slabs of each */
};

static bool all_are(const uint8_t *bytes, size_t size, uint8_t value)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

static void memory_for_secrets_is_zeroed_and_aligned(void **state)
{
    static const size_t sizes[] = {1, 63, 64, 65, 1680, 5000, 16256, 16384, 100000};
    uint8_t *at[sizeof sizes / sizeof *sizes];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        at[i] = tacit_secret_alloc(sizes[i]);
        assert_non_null(at[i]);
        assert_int_equal((uintptr_t)at[i] % 64, 0);
        assert_true(all_are(at[i], sizes[i], 0));
        memset(at[i], 0xa5, sizes[i]);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_true(all_are(at[i], sizes[i], 0xa5)); /* nobody wrote into another's */
        tacit_secret_free(at[i]);
    }
}

static void what_is_given_back_is_wiped_before_the_next_has_it(void **state)
{
    uint8_t *stays = tacit_secret_alloc(200); /* its slab stays with it */
    uint8_t *goes = tacit_secret_alloc(200);
    assert_non_null(stays);
    assert_non_null(goes);
    memset(goes, 0xa5, 200);
    tacit_secret_free(goes);
    uint8_t *next = tacit_secret_alloc(200);
    assert_ptr_equal(next, goes); /* else this promise is tested on other memory */
    assert_true(all_are(next, 200, 0));
    tacit_secret_free(next);
    tacit_secret_free(stays);
}

static void a_size_beyond_all_memory_is_refused(void **state)
{
    assert_null(tacit_secret_alloc(SIZE_MAX));
    assert_null(tacit_secret_alloc(SIZE_MAX - 100));
    tacit_secret_free(NULL);
}

static void *use_memory(void *seed)
{
    static const size_t sizes[] = {100, 1680, 5000};
    struct {
        uint8_t *at;
        size_t size;
    } held[HELD] = {0};
    unsigned x = *(unsigned *)seed;
    for (unsigned round = 0; round < ROUNDS; round++) {
        x = x * 1103515245 + 12345;
        unsigned i = x / 65536 % HELD;
        if (held[i].at != NULL) {
            if (!all_are(held[i].at, held[i].size, (uint8_t)i))
                return "another thread wrote there";
            tacit_secret_free(held[i].at);
        }
        held[i].size = sizes[round % 3];
        held[i].at = tacit_secret_alloc(held[i].size);
        if (held[i].at == NULL || !all_are(held[i].at, held[i].size, 0))
            return "not zeroed";
        memset(held[i].at, (int)i, held[i].size);
    }
    for (unsigned i = 0; i < HELD; i++)
        tacit_secret_free(held[i].at);
    return NULL;
}

static void threads_may_take_and_give_back_at_once(void **state)
{
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, use_memory, &seeds[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *complaint;
        assert_int_equal(pthread_join(threads[i], &complaint), 0);
        assert_null(complaint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_for_secrets_is_zeroed_and_aligned),
        cmocka_unit_test(what_is_given_back_is_wiped_before_the_next_has_it),
        cmocka_unit_test(a_size_beyond_all_memory_is_refused),
        cmocka_unit_test(threads_may_take_and_give_back_at_once),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
