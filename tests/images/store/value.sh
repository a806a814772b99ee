#!/bin/sh
# GET /cgi-bin/value/KEY returns a text, and POST stores one.
key=$(basename "${PATH_INFO:-none}")
if [ "${REQUEST_METHOD:-GET}" = POST ]; then
  head -c "${CONTENT_LENGTH:-0}" >"/data/.$key.new" && mv "/data/.$key.new" "/data/$key"
fi
[ -f "/data/$key" ] || { printf 'Status: 404 Not Found\r\n\r\nno %s\n' "$key"; exit 0; }
printf 'Content-Type: text/plain\r\n\r\n'
cat "/data/$key"
