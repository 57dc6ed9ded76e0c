#!/bin/bash
# Example of a kind of task as an executable: can this host reach a TCP port? Kind: plugin.port_check
# It may be written in any language. Asked once with --schema it prints what it takes; else it gets that as JSON on stdin and
# prints JSON lines: {"say": …}, {"progress": …}, {"result": {…}}, {"error": {"code": …, "message": …}}. Other lines are output.
if [ "$1" = --schema ]; then
    cat <<'JSON'
{"label": "Port check", "help": "Tries to open a TCP connection from this host.",
 "fields": [
  {"name": "host", "label": "Host", "required": true},
  {"name": "port", "type": "integer", "label": "Port", "required": true, "least": 1, "most": 65535},
  {"name": "seconds", "type": "integer", "label": "Patience", "default": 3, "least": 1, "most": 60, "unit": "s"}]}
JSON
    exit
fi
read -r content
text() { sed -n 's/.*"'"$1"'": *"\([A-Za-z0-9.:_-]*\)".*/\1/p' <<<"$content"; }
number() { sed -n 's/.*"'"$1"'": *\([0-9]*\).*/\1/p' <<<"$content"; }
host=$(text host) port=$(number port) seconds=$(number seconds)
if [ -z "$host" ]; then
    echo '{"error": {"code": "bad-host", "message": "host: this is no name or address"}}'
    exit 2
fi
echo "{\"say\": \"trying $host port $port\"}"
# The two are arguments, never part of the text that the shell reads.
if timeout "$seconds" bash -c ': <"/dev/tcp/$0/$1"' "$host" "$port" 2>/dev/null; then
    echo '{"result": {"open": true}}'
else
    echo '{"result": {"open": false}}'
fi
