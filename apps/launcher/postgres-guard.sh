#!/bin/sh
# Ends the PostgreSQL of a data folder when whoever holds our standard input is gone, be it by kill -9.
# Usage: postgres-guard.sh DATA_FOLDER
cat >/dev/null
for try in 1 2 3; do # a server that was just being started has no pid file yet
  if pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null); then
    kill -INT "$pid" # a fast shutdown: open transactions are rolled back
    exit
  fi
  sleep 1
done
