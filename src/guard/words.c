#include "words.h"

#include <stdlib.h>
#include <string.h>

struct known {
    const char *text;
    enum tacit_word word;
};

/* In order of bytes, as both tables are searched. */
static const struct known words[] = {
    {"$gen_call", TACIT_WORD_GEN_CALL},
    {"$gen_cast", TACIT_WORD_GEN_CAST},
    {"EXIT", TACIT_WORD_EXIT},
    {"apply", TACIT_WORD_APPLY},
    {"async_dist", TACIT_WORD_OPTION},
    {"block_call", TACIT_WORD_BLOCK_CALL},
    {"call", TACIT_WORD_CALL},
    {"cast", TACIT_WORD_CAST},
    {"count_children", TACIT_WORD_SUPERVISOR},
    {"delete_child", TACIT_WORD_SUPERVISOR},
    {"erlang", TACIT_WORD_ERLANG},
    {"erpc", TACIT_WORD_ERPC},
    {"execute_call", TACIT_WORD_EXECUTE_CALL},
    {"execute_cast", TACIT_WORD_EXECUTE_CAST},
    {"features_request", TACIT_WORD_FEATURES_REQUEST},
    {"fullsweep_after", TACIT_WORD_OPTION},
    {"get_callback_module", TACIT_WORD_SUPERVISOR},
    {"get_childspec", TACIT_WORD_SUPERVISOR},
    {"global_name_server", TACIT_WORD_GLOBAL_NAME_SERVER},
    {"is_auth", TACIT_WORD_IS_AUTH},
    {"link", TACIT_WORD_OPTION},
    {"monitor", TACIT_WORD_OPTION},
    {"net_kernel", TACIT_WORD_NET_KERNEL},
    {"restart_child", TACIT_WORD_SUPERVISOR},
    {"rex", TACIT_WORD_REX},
    {"start_child", TACIT_WORD_SUPERVISOR},
    {"system", TACIT_WORD_SYSTEM},
    {"terminate_child", TACIT_WORD_SUPERVISOR},
    {"try_again_restart", TACIT_WORD_SUPERVISOR},
    {"which_children", TACIT_WORD_SUPERVISOR},
};

/* Of kernel, stdlib and sasl, and of other applications what runs others' code. */
static const char *const names[] = {
    "alarm_handler",
    "application_controller",
    "auth",
    "boot_server",
    "code_server",
    "cover_server",
    "dbg",
    "ddll_server",
    "dets",
    "dets_sup",
    "disk_log_server",
    "disk_log_sup",
    "erl_boot_server",
    "erl_epmd",
    "erl_prim_loader",
    "erl_reply",
    "erl_signal_server",
    "error_logger",
    "erts_code_purger",
    "erts_literal_area_collector",
    "erts_trace_cleaner",
    "file_server_2",
    "fixtable_server",
    "global_group",
    "global_group_check",
    "global_name_server",
    "heart",
    "inet_db",
    "inet_gethost_native",
    "inet_gethost_native_sup",
    "init",
    "int",
    "kernel_config",
    "kernel_refc",
    "kernel_safe_sup",
    "kernel_sup",
    "logger",
    "logger_handler_watcher",
    "logger_proxy",
    "logger_std_h_default",
    "logger_sup",
    "mnesia_controller",
    "mnesia_dumper_load_regulator",
    "mnesia_event",
    "mnesia_fallback",
    "mnesia_kernel_sup",
    "mnesia_late_loader",
    "mnesia_locker",
    "mnesia_monitor",
    "mnesia_recover",
    "mnesia_rpc",
    "mnesia_substr",
    "mnesia_sup",
    "mnesia_tm",
    "net_kernel",
    "net_sup",
    "os_cmd_port_creator",
    "os_server",
    "overload",
    "pg",
    "pg2",
    "pool_master",
    "prim_tty_sighandler",
    "release_handler",
    "rex",
    "rex_proxy_user",
    "rsh_starter",
    "runtime_tools_sup",
    "sasl_safe_sup",
    "sasl_sup",
    "socket_registry",
    "ssl_manager",
    "ssl_sup",
    "standard_error",
    "standard_error_sup",
    "take_over_monitor",
    "timer_server",
    "ttb",
    "user",
    "user_drv",
    "user_drv_reader",
    "user_drv_writer",
};

/* A text that is looked for. */
struct text {
    const uint8_t *bytes;
    size_t len;
};

static int compare(const struct text *text, const char *known)
{
    size_t len = strlen(known), least = len < text->len ? len : text->len;
    int order = least > 0 ? memcmp(text->bytes, known, least) : 0;
    return order != 0 ? order : (text->len > len) - (text->len < len);
}

static int compare_word(const void *text, const void *known)
{
    return compare(text, ((const struct known *)known)->text);
}

static int compare_name(const void *text, const void *known)
{
    return compare(text, *(const char *const *)known);
}

enum tacit_word tacit_word(const uint8_t *text, size_t len)
{
    struct text key = {text, len};
    const struct known *found = bsearch(&key, words, sizeof words / sizeof words[0],
                                        sizeof words[0], compare_word);
    return found != NULL ? found->word : TACIT_WORD_NONE;
}

bool tacit_word_is_otp(const uint8_t *text, size_t len)
{
    struct text key = {text, len};
    return bsearch(&key, names, sizeof names / sizeof names[0], sizeof names[0],
                   compare_name) != NULL;
}
