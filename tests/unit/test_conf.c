#include "test_conf.h"

#include <stdio.h>
#include <string.h>

int read_memory(void *context, const char *path, enum tacit_file_kind kind, char *buf,
                size_t cap, size_t *ret_len, struct tacit_fault *ret_fault)
{
    struct memory *m = context;
    for (size_t i = 0; i < COUNT(m->files) && m->files[i].path != NULL; i++) {
        const struct memory_file *f = &m->files[i];
        size_t size = f->size > 0 ? f->size : strlen(f->text);
        if (strcmp(f->path, path) != 0)
            continue;
        assert_true(size <= cap);
        memcpy(buf, f->text, size);
        *ret_len = size;
        m->secret_reads += kind == TACIT_FILE_SECRET;
        m->plain_reads += kind != TACIT_FILE_SECRET;
        return 0;
    }
    snprintf(ret_fault->text, sizeof ret_fault->text, "%s: not there", path);
    return TACIT_ESYSTEM;
}

struct memory memory;
struct tacit_fault fault;

unsigned machine_suites = ALL_SUITES;

void prepare(const char *conf, size_t size)
{
    memory = (struct memory){.files = {{"/c/tacit.conf", conf, size},
                                       {"/c/mesh.key", SECRET_A "\n", 0},
                                       {"/c/id.key", SECRET_B "\n", 0},
                                       {"/c/p1.key", SECRET_C "\n", 0},
                                       {"/c/p2.key", SECRET_D "\n", 0},
                                       {"/abs/p1.key", SECRET_C, 0}}};
}

void set_file(const char *path, const char *text, size_t size)
{
    size_t i = 0;
    while (memory.files[i].path != NULL && strcmp(memory.files[i].path, path) != 0)
        i++;
    memory.files[i] = (struct memory_file){path, text, size};
}

int load(struct tacit_policy **ret_policy)
{
    struct tacit_files files = {&memory, read_memory};
    memset(&fault, 'x', sizeof fault);
    return tacit_policy_load("/c/tacit.conf", &files, machine_suites, ret_policy, &fault);
}

struct tacit_policy *must_load(const char *conf)
{
    struct tacit_policy *policy = NULL;
    prepare(conf, 0);
    if (load(&policy) != 0)
        fail_msg("%s\n%s", fault.text, conf);
    return policy;
}

void assert_fault(const char *conf, size_t size, const char *expected)
{
    struct tacit_policy *untouched = (struct tacit_policy *)&memory, *policy = untouched;
    prepare(conf, size);
    if (load(&policy) == 0)
        fail_msg("accepted:\n%s", conf);
    assert_string_equal(fault.text, expected);
    assert_ptr_equal(policy, untouched);
}

const uint8_t *key(const char *text)
{
    static uint8_t keys[4][TACIT_KEY_BYTES];
    static unsigned next;
    uint8_t *bytes = keys[next++ % 4];
    assert_int_equal(tacit_key_from_text(text, bytes), 0);
    return bytes;
}

int ask(const struct tacit_policy *p, const char *name, bool dynamic,
        const uint8_t *public_key, const struct tacit_peer **ret_peer)
{
    struct tacit_question question = {
        .name = name, .dynamic = dynamic, .public_key = public_key, .inbound = true};
    struct tacit_decision decision;
    int error = tacit_policy_decide(p, &question, &decision);
    *ret_peer = decision.peer;
    return error;
}
