/* The promises of src/gate/admission's news: another one, a door's, hears what one knows.
 */
#include "test_unit.h"

#include <string.h>

#include "gate/admission.h"

enum {
    MANY = 2000, /* sources of a test */
};

static struct tacit_admission g;
static struct tacit_admission_told told;
static struct tacit_admission_news news;
static bool heard[MANY + 1]; /* what it knows by that, source by source */

static int start(void **state)
{
    g = (struct tacit_admission){.keyed = true};
    memset(&told, 0, sizeof told);
    memset(heard, 0, sizeof heard);
    return 0;
}

/* Hears all that is new. How many words it was. */
static size_t hear(void)
{
    size_t words = 0;
    while (tacit_admission_news(&g, &told, &news)) {
        assert_in_range(news.count, 1, TACIT_ADMISSION_NEWS_MAX);
        words += news.count;
        for (size_t i = 0; i < news.count; i++)
            heard[news.sources[i]] = news.known[i];
    }
    return words;
}

static bool is_known(uint64_t source)
{
    for (size_t i = 0; i < TACIT_ADMISSION_KNOWN; i++)
        if (g.known[i].source == source)
            return true;
    return false;
}

static void it_knows_the_same(void)
{
    for (uint64_t source = 1; source <= MANY; source++)
        assert_int_equal(heard[source], is_known(source));
}

static void who_is_known_is_told_and_told_again_when_he_comes_again(void **state)
{
    assert_int_equal(hear(), 0);
    tacit_admission_known(&g, 7);
    assert_int_equal(hear(), 1);
    assert_true(heard[7]);
    assert_int_equal(hear(), 0);
    tacit_admission_known(&g, 7); /* meanwhile somebody else may have had it forgotten */
    assert_int_equal(hear(), 1);
    assert_true(heard[7]);
}

static void who_is_refused_is_told_so_even_if_nobody_here_knew_him(void **state)
{
    hear();
    heard[8] = true; /* by the word of another node */
    tacit_admission_forget(&g, 8);
    assert_int_equal(hear(), 1);
    tacit_admission_known(&g, 7);
    hear();
    heard[8] = true;
    tacit_admission_forget(&g, 7);
    tacit_admission_forget(&g, 8);
    assert_int_equal(hear(), 2);
    assert_false(heard[7] || heard[8]);
    assert_int_equal(hear(), 0);
}

static void the_last_word_counts(void **state)
{
    tacit_admission_known(&g, 7);
    hear();
    tacit_admission_forget(&g, 7);
    tacit_admission_known(&g, 7);
    hear();
    assert_true(heard[7]);
    tacit_admission_known(&g, 8);
    heard[8] = true;
    tacit_admission_forget(&g, 8);
    hear();
    assert_false(heard[8]);
}

/* One that restarted knows nobody, and who was refused before may have come since. */
static void who_starts_hears_of_all_that_are_known_and_of_nothing_else(void **state)
{
    for (uint64_t source = 1; source <= 100; source++)
        tacit_admission_known(&g, source);
    tacit_admission_forget(&g, 7);
    hear();
    start(state);
    assert_int_equal(hear(), 0); /* another one: it knows nobody either */
    for (uint64_t source = 1; source <= 100; source++)
        tacit_admission_known(&g, source);
    tacit_admission_forget(&g, 7);
    heard[7] = true;
    hear();
    memset(&told, 0, sizeof told);
    memset(heard, 0, sizeof heard);
    assert_int_equal(hear(), tacit_admission_count(&g));
    it_knows_the_same();
}

static void whose_place_another_takes_is_known_no_more(void **state)
{
    for (uint64_t source = 1; source <= MANY; source++) {
        tacit_admission_known(&g, source);
        if (source % 100 == 0)
            hear();
    }
    assert_int_equal(tacit_admission_count(&g), TACIT_ADMISSION_KNOWN);
    it_knows_the_same();
    /* At once: all that it knows is others'. */
    for (uint64_t source = 1; source <= MANY; source++)
        tacit_admission_known(&g, source / 2 + 1);
    assert_in_range(hear(), TACIT_ADMISSION_KNOWN, 2 * TACIT_ADMISSION_KNOWN);
    it_knows_the_same();
}

/* So that those who come all the time keep theirs. */
static void it_is_the_place_of_the_one_that_came_longest_ago(void **state)
{
    for (uint64_t source = 1; source <= MANY; source++) {
        tacit_admission_known(&g, source);
        tacit_admission_known(&g, 1);
        assert_true(is_known(source) && is_known(1));
    }
    tacit_admission_forget(&g, MANY);
    tacit_admission_known(&g, MANY); /* in the place that is free */
    assert_int_equal(tacit_admission_count(&g), TACIT_ADMISSION_KNOWN);
}

static void more_refusals_than_are_remembered_leave_nobody_known_who_is_not(void **state)
{
    for (uint64_t source = 1; source <= 200; source++)
        tacit_admission_known(&g, source);
    hear();
    for (uint64_t source = 1; source <= MANY; source++)
        tacit_admission_forget(&g, source);
    hear();
    it_knows_the_same();
    assert_int_equal(tacit_admission_count(&g), 0);
}

static void whatever_is_said_and_however_often_it_is_told_both_know_the_same(void **state)
{
    uint64_t random = 1;
    for (int i = 0; i < 200000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        uint64_t source = (random >> 33) % MANY + 1;
        if (random >> 62 == 0)
            tacit_admission_forget(&g, source);
        else
            tacit_admission_known(&g, source);
        if ((random >> 50) % 4096 < 40)
            (void)hear();
        else if ((random >> 50) % 256 == 0 && tacit_admission_news(&g, &told, &news))
            for (size_t n = 0; n < news.count; n++) /* one list, and no more now */
                heard[news.sources[n]] = news.known[n];
    }
    hear();
    it_knows_the_same();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_is_known_is_told_and_told_again_when_he_comes_again,
                               start),
        cmocka_unit_test_setup(who_is_refused_is_told_so_even_if_nobody_here_knew_him,
                               start),
        cmocka_unit_test_setup(the_last_word_counts, start),
        cmocka_unit_test_setup(who_starts_hears_of_all_that_are_known_and_of_nothing_else,
                               start),
        cmocka_unit_test_setup(whose_place_another_takes_is_known_no_more, start),
        cmocka_unit_test_setup(it_is_the_place_of_the_one_that_came_longest_ago, start),
        cmocka_unit_test_setup(
            more_refusals_than_are_remembered_leave_nobody_known_who_is_not, start),
        cmocka_unit_test_setup(
            whatever_is_said_and_however_often_it_is_told_both_know_the_same, start),
    };
    return cmocka_run_group_tests_name("news", tests, NULL, NULL);
}
