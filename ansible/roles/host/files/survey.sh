#!/bin/sh
# survey.sh NAME=WITNESS... -- NAME=WITNESS...: needed packages, then optional ones. Prints `needed NAME` or `optional NAME`
# for each that is not there; an optional one only where apt knows it, for nobody can install the others.
set -u
PATH=$PATH:/usr/sbin:/sbin
kind=needed
for argument; do
    case $argument in
        --) kind=optional && continue ;;
    esac
    name=${argument%%=*}
    witness=${argument#*=}
    { command -v "$witness" || test -e "$witness"; } >/dev/null 2>&1 && continue
    if [ $kind = needed ] || apt-cache policy "$name" 2>/dev/null | grep -q 'Candidate: [^(]'; then
        echo "$kind $name"
    fi
done
