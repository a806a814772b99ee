#!/bin/sh
# Healthy when the server answers to the password.
REDISCLI_AUTH=$(cat "${REDIS_PASSWORD_FILE:-/dev/null}") redis-cli --no-auth-warning ping | grep -q PONG
