%% This release: the one place that says it. The driver must be of the same.
-define(VERSION, "0.1.0").

%% Commands of the driver: src/carrier/control.c and info.c have the same list.
-define(RELEASE,  16#7ac10001).
-define(LISTEN,   16#7ac10002).
-define(ACCEPT,   16#7ac10003).
-define(CONNECT,  16#7ac10004).
-define(RECV,     16#7ac10005).
-define(ACTIVE,   16#7ac10006).
-define(TICK,     16#7ac10007).
-define(REFUSE,   16#7ac10008).
-define(ENDPOINT, 16#7ac10009).
-define(IS_PLAIN, 16#7ac1000a).
-define(PLAIN,    16#7ac1000b).
-define(LAST,     16#7ac1000c).
-define(RELOAD,   16#7ac1000d).
-define(ADOPT,    16#7ac1000e).
-define(GIVE_UP,  16#7ac1000f).
-define(LISTEN_TRY,    16#7ac10010).
-define(LISTEN_SETTLE, 16#7ac10011).
-define(REVIEW,   16#7ac10012).
-define(REVOKED,  16#7ac10013).
-define(KEY_OF,   16#7ac10014).
-define(SEEN,     16#7ac10015).
-define(PEER_KEYS, 16#7ac10016).
-define(PROCEED,  16#7ac10017).
-define(NEW_NAME, 16#7ac10018).
-define(DUE,      16#7ac10040).
-define(CLOCK,    16#7ac10041).

-define(CALL_HOST, 1).
-define(CALL_LINK, 2).
-define(CALL_LISTENER, 3).
-define(CALL_POLICIES, 4).
-define(CALL_REVOKED, 5).
