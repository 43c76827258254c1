%% Commands of the driver: src/carrier/control.c and info.c have the same list.
-define(LOAD,     16#7ac10001).
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

-define(CALL_HOST, 1).
-define(CALL_LINK, 2).
