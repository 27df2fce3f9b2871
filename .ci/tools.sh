#!/bin/sh
# Installs the programs that the tests start, where apt and its rights are here; else names them.
set -u
missing=""
command -v iverilog >/dev/null || missing="$missing iverilog"
command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null || missing="$missing chromium"
command -v g++ >/dev/null || missing="$missing g++"
command -v perl >/dev/null || missing="$missing perl"
command -v sta >/dev/null || missing="$missing opensta"
[ -f /usr/share/qflow/tech/osu018/osu018_stdcells.lib ] || missing="$missing qflow-tech-osu018"
command -v tclsh >/dev/null || missing="$missing tcl"
command -v ccache >/dev/null || missing="$missing ccache"
command -v ngspice >/dev/null || missing="$missing ngspice"
[ -z "$missing" ] && exit 0
root=""
[ "$(id -u)" = 0 ] || root="sudo -n"
if command -v apt-get >/dev/null && { [ -z "$root" ] || $root true 2>/dev/null; }; then
    echo "installing:$missing"
    $root apt-get update -qq >/dev/null &&
        DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing >/dev/null &&
        exit 0
fi
echo "please install:$missing"
echo "without them the tests that start them are reported as not checked"
[ -z "${CI:-}" ]
