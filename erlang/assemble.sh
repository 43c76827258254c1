#!/bin/sh
# Puts the built application together: assemble.sh DIR APP STAMP FILE...
set -eu
dir=$1 app=$2 stamp=$3
shift 3
mkdir -p "$dir/ebin" "$dir/priv"
cp "$app" "$dir/ebin/"
for file; do
    case $file in
    *.beam) cp "$file" "$dir/ebin/" ;;
    *.so) rm -f "$dir/priv/${file##*/}"; cp "$file" "$dir/priv/" ;;
    esac
done
touch "$stamp"
