#!/bin/sh
# survey.sh NAME=WITNESS... -- NAME=WITNESS... -- NAME=WITNESS...: needed packages, optional ones, and what is built here.
# Prints `needed NAME`, `optional NAME` or `built NAME` for each that is not there; an optional one only where apt knows it,
# for nobody can install the others.
set -u
PATH=$PATH:/usr/sbin:/sbin:/usr/local/bin
kind=needed
for argument; do
    case $argument in
        --)
            if [ $kind = needed ]; then kind=optional; else kind=built; fi
            continue
            ;;
    esac
    name=${argument%%=*}
    witness=${argument#*=}
    { command -v "$witness" || test -e "$witness"; } >/dev/null 2>&1 && continue
    if [ $kind != optional ] || apt-cache policy "$name" 2>/dev/null | grep -q 'Candidate: [^(]'; then
        echo "$kind $name"
    fi
done
