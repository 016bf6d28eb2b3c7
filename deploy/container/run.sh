#!/bin/sh
# Runs a core in a container: read-only, without capabilities, with limits. $1: folder with core.yaml and what it names.
set -eu
exec docker run --rm --init \
  --name bletchley-core \
  --read-only --tmpfs /tmp:rw,noexec,nosuid,size=64m \
  --cap-drop ALL --security-opt no-new-privileges \
  --memory 4g --memory-swap 4g --pids-limit 512 --ulimit core=0 --ulimit nofile=65536 \
  --volume "$1":/etc/bletchley:ro \
  --volume bletchley-data:/var/lib/bletchley \
  --publish 127.0.0.1:5552:5552 \
  bletchley
