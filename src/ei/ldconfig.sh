#!/bin/sh
# ldconfig.sh: after an installation, tells the loader of the library, where it keeps a list
# of those that it looks for, and the list is ours to change.
PATH=$PATH:/usr/sbin:/sbin
if [ "$(id -u)" -eq 0 ] && command -v ldconfig >/dev/null; then ldconfig; fi
