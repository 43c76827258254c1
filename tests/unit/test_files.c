/* The promises of src/files, on real files in a directory of their own. */
#include "test_unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/files.h"

static char dir[] = "/tmp/tacit-test-files-XXXXXX";

/* A path in the directory; the last four results stay valid. */
static const char *in_dir(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static const char *put(const char *name, const char *text, mode_t mode)
{
    const char *path = in_dir(name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static struct tacit_fault fault;
static char buf[64];
static size_t buf_len;

static int get(const char *path, enum tacit_file_kind kind, size_t cap)
{
    struct tacit_files files = tacit_files_real();
    memset(buf, 0x55, sizeof buf);
    buf_len = 999;
    fault.text[0] = '\0';
    return files.read(files.context, path, kind, buf, cap, &buf_len, &fault);
}

static void assert_fault(int error, const char *path, enum tacit_file_kind kind,
                         size_t cap, const char *reason)
{
    char expected[TACIT_FAULT_MAX];
    assert_int_equal(get(path, kind, cap), error);
    assert_int_equal(buf_len, 999);
    snprintf(expected, sizeof expected, "%s: %s", path, reason);
    assert_string_equal(fault.text, expected);
}

static void assert_refused(const char *path, enum tacit_file_kind kind, size_t cap,
                           const char *reason)
{
    assert_fault(TACIT_ESYSTEM, path, kind, cap, reason);
}

/* No matter whose it is. */
static void assert_holds(const char *path, const char *text)
{
    assert_int_equal(get(path, TACIT_FILE_SIGNED, sizeof buf), 0);
    assert_int_equal(buf_len, strlen(text));
    assert_memory_equal(buf, text, buf_len);
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

/* How many files the directory holds: none may be left behind. */
static int entries;
static int count_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    entries += ftw->level > 0;
    return 0;
}

static int files_in_dir(void)
{
    entries = 0;
    assert_int_equal(nftw(dir, count_entry, 8, FTW_PHYS), 0);
    return entries;
}

/* ---- Reading ----------------------------------------------------------------------- */

static void a_file_is_read_whole(void **state)
{
    assert_holds(put("a", "hello\n", 0644), "hello\n");
    assert_holds(put("empty", "", 0644), "");
}

static void a_file_that_fits_exactly_is_read_and_a_longer_one_is_refused(void **state)
{
    const char *path = put("a", "12345678", 0644);
    assert_int_equal(get(path, TACIT_FILE_RULES, 8), 0);
    assert_int_equal(buf_len, 8);
    assert_refused(path, TACIT_FILE_RULES, 7, "8 bytes, expected at most 7");
}

static void a_file_of_unknown_size_is_not_cut_either(void **state)
{
    struct stat st;
    const char *path = "/proc/self/status"; /* says that it has 0 bytes */
    if (stat(path, &st) != 0 || st.st_size != 0)
        skip();
    assert_refused(path, TACIT_FILE_RULES, sizeof buf,
                   "too long, expected at most 64 bytes");
}

static void a_key_file_that_others_can_read_is_refused(void **state)
{
    assert_refused(put("k", "key", 0644), TACIT_FILE_SECRET, sizeof buf,
                   "mode 0644 lets others read it, expected 0600");
    assert_refused(put("k", "key", 0640), TACIT_FILE_SECRET, sizeof buf,
                   "mode 0640 lets others read it, expected 0600");
    assert_refused(put("k", "key", 0604), TACIT_FILE_SECRET, sizeof buf,
                   "mode 0604 lets others read it, expected 0600");
}

static void a_key_file_that_others_can_write_or_run_is_refused(void **state)
{
    static const mode_t modes[] = {0620, 0610, 0602, 0601};
    for (size_t i = 0; i < COUNT(modes); i++) {
        char reason[80];
        snprintf(reason, sizeof reason, "mode 0%o lets others at it, expected 0600",
                 (unsigned)modes[i]);
        assert_refused(put("k", "key", modes[i]), TACIT_FILE_SECRET, sizeof buf, reason);
    }
}

static void a_configuration_that_others_can_write_is_refused(void **state)
{
    assert_refused(put("c", "conf", 0664), TACIT_FILE_RULES, sizeof buf,
                   "mode 0664 lets others write it, expected 0644 or less");
    assert_refused(put("c", "conf", 0646), TACIT_FILE_RULES, sizeof buf,
                   "mode 0646 lets others write it, expected 0644 or less");
}

static void a_key_file_for_the_owner_alone_is_read(void **state)
{
    assert_int_equal(get(put("k", "key", 0600), TACIT_FILE_SECRET, sizeof buf), 0);
    assert_int_equal(get(put("k", "key", 0400), TACIT_FILE_SECRET, sizeof buf), 0);
    assert_int_equal(buf_len, 3);
}

static void a_key_file_of_another_user_is_refused(void **state)
{
    const char *path = put("k", "key", 0600);
    if (geteuid() != 0)
        skip(); /* only root can give a file away */
    assert_int_equal(chown(path, 12345, 0), 0);
    assert_refused(path, TACIT_FILE_SECRET, sizeof buf,
                   "belongs to user 12345, expected root or user 0");
}

/* As 'get', by a command. */
static int look(struct tacit_files_user *user, const char *path)
{
    struct tacit_files files = tacit_files_command(user);
    return files.read(files.context, path, TACIT_FILE_SECRET, buf, sizeof buf, &buf_len,
                      &fault);
}

static void a_command_of_root_looks_at_files_of_root_and_of_one_user(void **state)
{
    struct tacit_files_user user = {0}, other = {0};
    const char *conf = put("c", "conf", 0600), *key = put("k", "key", 0600);
    const char *third = put("k3", "key", 0600);
    if (geteuid() != 0)
        skip(); /* only root can give a file away */
    assert_int_equal(chown(key, 12345, 0), 0);
    assert_int_equal(chown(third, 54321, 0), 0);
    assert_int_equal(look(&user, conf), 0); /* root's: whose the others are is open */
    assert_int_equal(look(&user, key), 0);
    assert_int_equal(look(&user, key), 0);
    assert_int_equal(look(&user, third), TACIT_ESYSTEM);
    assert_non_null(
        strstr(fault.text, "belongs to user 54321, expected root or user 12345"));
    assert_int_equal(look(&other, third), 0);
}

static void a_command_of_another_user_looks_at_his_own_and_roots(void **state)
{
    struct tacit_files_user user = {0};
    const char *key = put("k", "key", 0600);
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(key, 12345, 0), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(seteuid(12345), 0);
    int own = look(&user, key);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(own, 0);
    assert_false(user.known);
}

static void a_symbolic_link_is_followed_and_its_target_is_judged(void **state)
{
    const char *target = put("t", "key", 0600), *link = in_dir("l");
    unlink(link);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(get(link, TACIT_FILE_SECRET, sizeof buf), 0);
    assert_int_equal(chmod(target, 0644), 0);
    assert_refused(link, TACIT_FILE_SECRET, sizeof buf,
                   "mode 0644 lets others read it, expected 0600");
}

static void what_is_no_regular_file_is_refused_at_once(void **state)
{
    const char *fifo = in_dir("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_refused(fifo, TACIT_FILE_SECRET, sizeof buf,
                   "not a regular file, expected one");
    assert_refused(dir, TACIT_FILE_RULES, sizeof buf, "not a regular file, expected one");
    assert_refused("/dev/zero", TACIT_FILE_RULES, sizeof buf,
                   "not a regular file, expected one");
    unlink(fifo);
}

static void a_missing_file_is_named(void **state)
{
    assert_fault(TACIT_EABSENT, in_dir("none"), TACIT_FILE_SECRET, sizeof buf,
                 "No such file or directory, expected a readable file");
}

static void a_revoked_list_that_cannot_be_read_leaves_the_one_before(void **state)
{
    struct tacit_revoked list = {0};
    uint8_t key[TACIT_KEY_BYTES] = {7};
    char text[TACIT_FINGERPRINT_TEXT + 2], other[TACIT_FINGERPRINT_TEXT + 2];
    const char *conf = in_dir("tacit.conf");
    tacit_fingerprint(key, text);
    memcpy(text + TACIT_FINGERPRINT_TEXT - 1, "\n", 2);
    snprintf(other, sizeof other, "%.43s\r\n", text);
    assert_int_equal(tacit_file_revoked(conf, &list, &fault), 0);
    assert_false(tacit_revoked_has(&list, key));
    const char *path = put("revoked", text, 0644);
    assert_int_equal(tacit_file_revoked(conf, &list, &fault), 0);
    assert_true(tacit_revoked_has(&list, key));
    put("revoked", other, 0644);
    assert_int_equal(tacit_file_revoked(conf, &list, &fault), TACIT_ECONFIG);
    assert_true(tacit_revoked_has(&list, key));
    put("revoked", "", 0666); /* anybody may have emptied it */
    assert_int_equal(tacit_file_revoked(conf, &list, &fault), TACIT_ESYSTEM);
    assert_true(tacit_revoked_has(&list, key));
    unlink(path);
    assert_int_equal(tacit_file_revoked(conf, &list, &fault), 0);
    assert_false(tacit_revoked_has(&list, key));
    tacit_revoked_free(&list);
}

/* ---- The way to a file --------------------------------------------------------------
 */

/* "FOLDER/NAME" in the directory; the folder, with this mode, is made where it is not. */
static const char *put_in(const char *folder, mode_t mode, const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    const char *at = in_dir(folder);
    (void)mkdir(at, 0700);
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    put(path, "text", 0600);
    assert_int_equal(chmod(at, mode), 0);
    snprintf(path, sizeof paths[0], "%s/%s", at, name);
    return path;
}

static void assert_way_refused(const char *path, const char *reason)
{
    static const enum tacit_file_kind kinds[] = {TACIT_FILE_SECRET, TACIT_FILE_RULES,
                                                 TACIT_FILE_SHARED};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        assert_int_equal(get(path, kinds[i], sizeof buf), TACIT_ESYSTEM);
        if (strstr(fault.text, reason) == NULL)
            fail_msg("%s: expected '%s'", fault.text, reason);
    }
}

static void a_folder_that_others_can_write_gives_no_file(void **state)
{
    static const mode_t modes[] = {0777, 0775, 0757, 0770, 0702, 02775};
    char reason[64];
    assert_int_equal(get(put_in("way", 0755, "f"), TACIT_FILE_RULES, sizeof buf), 0);
    for (size_t i = 0; i < COUNT(modes); i++) {
        snprintf(reason, sizeof reason,
                 "/way has mode %04o, so that others can put another",
                 (unsigned)modes[i]);
        assert_way_refused(put_in("way", modes[i], "f"), reason);
    }
    /* Nor does one below it, whatever stands in between. */
    assert_int_equal(mkdir(in_dir("way/below"), 0700), 0);
    assert_way_refused(put_in("way/below", 0700, "f"), "/way has mode 2775");
    char path[512];
    snprintf(path, sizeof path, "%s//./way/below/../below//f", dir);
    assert_way_refused(path, "/way has mode 2775");
    assert_int_equal(chmod(in_dir("way"), 0755), 0);
    assert_int_equal(get(path, TACIT_FILE_RULES, sizeof buf), 0);
}

static void a_sticky_folder_does_since_nobody_replaces_what_is_not_his(void **state)
{
    const char *path = put_in("sticky", 01777, "f");
    assert_int_equal(get(path, TACIT_FILE_SECRET, sizeof buf), 0);
    if (geteuid() != 0)
        return;
    assert_int_equal(chown(path, 12345, 0), 0);
    assert_refused(path, TACIT_FILE_RULES, sizeof buf,
                   "belongs to user 12345, expected root or user 0");
    /* A link there is not his, either. */
    char link[256];
    const char *target = put_in("way", 0755, "f");
    snprintf(link, sizeof link, "%s/sticky/link", dir);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(get(link, TACIT_FILE_RULES, sizeof buf), 0);
    assert_int_equal(lchown(link, 12345, 0), 0);
    assert_int_equal(get(link, TACIT_FILE_RULES, sizeof buf), TACIT_ESYSTEM);
    assert_non_null(strstr(fault.text, "/sticky/link belongs to user 12345"));
    unlink(link);
}

static void both_ways_count_where_there_are_links_the_one_to_them_and_theirs(void **state)
{
    char path[512], link[256], other[256];
    const char *target = put_in("way", 0755, "f");
    snprintf(link, sizeof link, "%s/links", dir);
    snprintf(other, sizeof other, "%s/open/l", dir);
    assert_int_equal(symlink("way/../way", link), 0);
    snprintf(path, sizeof path, "%s/f", link);
    assert_int_equal(get(path, TACIT_FILE_RULES, sizeof buf), 0);
    put_in("way", 0777, "f");
    assert_way_refused(path, "/way has mode 0777");
    put_in("way", 0755, "f");
    /* A link in a folder for all leads to where they want. */
    put_in("open", 0777, "f");
    assert_int_equal(symlink(target, other), 0);
    assert_way_refused(other, "/open has mode 0777");
    unlink(other);
    unlink(link);
    assert_int_equal(symlink("links", link), 0);
    assert_int_equal(get(link, TACIT_FILE_RULES, sizeof buf), TACIT_ESYSTEM);
    unlink(link);
}

static void a_path_from_here_is_walked_from_here(void **state)
{
    char here[PATH_MAX];
    put_in("way", 0755, "f");
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(in_dir("way")), 0);
    assert_int_equal(get("f", TACIT_FILE_RULES, sizeof buf), 0);
    assert_int_equal(get("../way/f", TACIT_FILE_RULES, sizeof buf), 0);
    assert_int_equal(chmod(".", 0777), 0);
    assert_way_refused("f", "/way has mode 0777");
    assert_int_equal(chmod(".", 0755), 0);
    assert_int_equal(chdir(here), 0);
}

static void files_and_folders_of_another_user_are_refused_but_shared_ones(void **state)
{
    const char *path = put_in("way", 0755, "f"), *folder = in_dir("way");
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(folder, 12345, 0), 0);
    assert_way_refused(path, "/way belongs to user 12345, expected root or user 0");
    assert_int_equal(chown(path, 12345, 0), 0);
    assert_refused(path, TACIT_FILE_RULES, sizeof buf,
                   "belongs to user 12345, expected root or user 0");
    assert_int_equal(get(path, TACIT_FILE_SHARED, sizeof buf), 0);
    assert_int_equal(chown(path, 54321, 0), 0);
    assert_int_equal(get(path, TACIT_FILE_SHARED, sizeof buf), TACIT_ESYSTEM);
    assert_int_equal(chown(folder, 0, 0), 0);
    assert_int_equal(get(path, TACIT_FILE_SHARED, sizeof buf), 0);
    /* What is signed counts wherever it is from. */
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(get(path, TACIT_FILE_SIGNED, sizeof buf), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    unlink(path);
}

/* ---- Writing ----------------------------------------------------------------------- */

static void a_new_file_has_exactly_its_mode_whatever_the_umask(void **state)
{
    const char *path = in_dir("n1"), *other = in_dir("n2");
    mode_t old = umask(0);
    assert_int_equal(tacit_file_create(path, 0600, "abc", 3, &fault), 0);
    umask(077);
    assert_int_equal(tacit_file_create(other, 0644, "abc", 3, &fault), 0);
    umask(old);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(mode_of(other), 0644);
    assert_holds(path, "abc");
}

static void an_existing_file_is_never_created_over(void **state)
{
    const char *path = put("a", "old", 0600), *link = in_dir("dangling");
    char expected[TACIT_FAULT_MAX];
    assert_int_equal(tacit_file_create(path, 0600, "new", 3, &fault), TACIT_ESYSTEM);
    snprintf(expected, sizeof expected, "%s: exists already, expected a new file", path);
    assert_string_equal(fault.text, expected);
    assert_holds(path, "old");

    assert_int_equal(symlink(in_dir("nowhere"), link), 0);
    assert_int_equal(tacit_file_create(link, 0600, "new", 3, &fault), TACIT_ESYSTEM);
    assert_int_not_equal(access(in_dir("nowhere"), F_OK), 0);
    unlink(link);
}

static void a_replaced_file_keeps_its_mode_and_owner(void **state)
{
    struct stat st;
    const char *path = put("a", "old", 0640);
    if (geteuid() == 0)
        assert_int_equal(chown(path, 12345, 54321), 0);
    int before = files_in_dir();
    assert_int_equal(tacit_file_replace(path, "new text", 8, &fault), 0);
    assert_holds(path, "new text");
    assert_int_equal(mode_of(path), 0640);
    assert_int_equal(stat(path, &st), 0);
    if (geteuid() == 0) {
        assert_int_equal(st.st_uid, 12345);
        assert_int_equal(st.st_gid, 54321);
    }
    assert_int_equal(files_in_dir(), before);
}

static void who_has_the_old_file_open_sees_it_whole(void **state)
{
    char old[8] = "";
    const char *path = put("a", "old", 0600);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(tacit_file_replace(path, "new text", 8, &fault), 0);
    assert_int_equal(read(fd, old, sizeof old), 3);
    assert_memory_equal(old, "old", 3);
    close(fd);
}

static void a_replaced_link_stays_a_link(void **state)
{
    const char *target = put("t", "old", 0600), *link = in_dir("l");
    struct stat st;
    unlink(link);
    assert_int_equal(symlink("t", link), 0);
    assert_int_equal(tacit_file_replace(link, "new", 3, &fault), 0);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_holds(target, "new");
}

static void what_is_not_there_cannot_be_replaced(void **state)
{
    assert_int_equal(mkdir(in_dir("sub"), 0700), 0);
    int before = files_in_dir();
    assert_int_equal(tacit_file_replace(in_dir("none"), "new", 3, &fault), TACIT_ESYSTEM);
    assert_int_equal(tacit_file_replace(in_dir("sub"), "new", 3, &fault), TACIT_ESYSTEM);
    assert_int_equal(files_in_dir(), before);
}

/* ---- The directory ----------------------------------------------------------------- */

static int make_dir(void **state)
{
    return mkdtemp(dir) == NULL;
}

static int remove_entry(const char *path, const struct stat *st, int flag,
                        struct FTW *ftw)
{
    return remove(path);
}

static int remove_dir(void **state)
{
    return nftw(dir, remove_entry, 8, FTW_PHYS | FTW_DEPTH);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_whole),
        cmocka_unit_test(a_file_that_fits_exactly_is_read_and_a_longer_one_is_refused),
        cmocka_unit_test(a_file_of_unknown_size_is_not_cut_either),
        cmocka_unit_test(a_key_file_that_others_can_read_is_refused),
        cmocka_unit_test(a_key_file_that_others_can_write_or_run_is_refused),
        cmocka_unit_test(a_configuration_that_others_can_write_is_refused),
        cmocka_unit_test(a_key_file_for_the_owner_alone_is_read),
        cmocka_unit_test(a_key_file_of_another_user_is_refused),
        cmocka_unit_test(a_command_of_root_looks_at_files_of_root_and_of_one_user),
        cmocka_unit_test(a_command_of_another_user_looks_at_his_own_and_roots),
        cmocka_unit_test(a_symbolic_link_is_followed_and_its_target_is_judged),
        cmocka_unit_test(what_is_no_regular_file_is_refused_at_once),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(a_revoked_list_that_cannot_be_read_leaves_the_one_before),
        cmocka_unit_test(a_folder_that_others_can_write_gives_no_file),
        cmocka_unit_test(a_sticky_folder_does_since_nobody_replaces_what_is_not_his),
        cmocka_unit_test(
            both_ways_count_where_there_are_links_the_one_to_them_and_theirs),
        cmocka_unit_test(a_path_from_here_is_walked_from_here),
        cmocka_unit_test(files_and_folders_of_another_user_are_refused_but_shared_ones),
        cmocka_unit_test(a_new_file_has_exactly_its_mode_whatever_the_umask),
        cmocka_unit_test(an_existing_file_is_never_created_over),
        cmocka_unit_test(a_replaced_file_keeps_its_mode_and_owner),
        cmocka_unit_test(who_has_the_old_file_open_sees_it_whole),
        cmocka_unit_test(a_replaced_link_stays_a_link),
        cmocka_unit_test(what_is_not_there_cannot_be_replaced),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
