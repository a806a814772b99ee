#!/bin/sh
# GET /cgi-bin/health returns 200 while /data is writable and every address in STORE_NEEDS answers.
state=ok
touch /data/.health 2>/dev/null || state='/data cannot be written'
for address in ${STORE_NEEDS:-}; do
  wget -q -O /dev/null "$address" || state="$address does not answer"
done
[ "$state" = ok ] || echo 'Status: 503 Service Unavailable'
printf 'Content-Type: text/plain\r\n\r\n%s: %s\n' "${STORE_NAME:-store}" "$state"
