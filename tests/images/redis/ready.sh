#!/bin/sh
# Succeeds when the server accepts the password and answers.
REDISCLI_AUTH=$(cat "${REDIS_PASSWORD_FILE:-/dev/null}") redis-cli --no-auth-warning ping | grep -q PONG
