{{/* modgud.yaml, and what the Deployment derives from it. */}}

{{/* An IPv6 address is in brackets before a port. */}}
{{- define "modgud.listen" -}}
{{- $host := .host -}}
{{- if contains ":" $host -}}{{- $host = printf "[%s]" $host -}}{{- end -}}
{{- printf "%s:%d" $host .port -}}
{{- end }}

{{/* `config` with the keys that belong to the chart, because ports, volumes and Service depend on them. */}}
{{- define "modgud.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $server := default dict $config.server -}}
{{- range $key, $value := dict "grpc" "listenAddress" "admin" "listenAddress" "tls" "tls" "insecure_plaintext" "tls.enabled" -}}
{{- if hasKey $server $key -}}
{{- fail (printf "config.server.%s: the chart writes this key; leave it out and set `%s`" $key $value) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $server "grpc" (include "modgud.listen" (dict "host" .Values.listenAddress "port" 9191)) -}}
{{- $admin := include "modgud.listen" (dict "host" .Values.listenAddress "port" 9192) -}}
{{- if (default dict .Values.page).enabled -}}
{{- $_ := set $server "admin" (dict "listen" $admin "ui" "127.0.0.1:9194") -}}
{{- else -}}
{{- $_ := set $server "admin" $admin -}}
{{- end -}}
{{- if .Values.tls.enabled -}}
{{- $tls := dict "cert" "/etc/modgud/tls/tls.crt" "key" "/etc/modgud/tls/tls.key" -}}
{{- if include "modgud.clientCa" . -}}{{- $_ := set $tls "client_ca" "/etc/modgud/tls/client-ca.crt" -}}{{- end -}}
{{- $_ := set $server "tls" $tls -}}
{{- else -}}
{{- range $key, $set := dict "secretName" .Values.tls.secretName "certManager.enabled" .Values.tls.certManager.enabled "clientCa" (include "modgud.clientCa" .) -}}
{{- if $set -}}
{{- fail (printf "tls.%s: TLS is off; set `tls.enabled` too" $key) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $server "insecure_plaintext" true -}}
{{- end -}}
{{- $_ := set $config "server" $server -}}
{{- toYaml $config -}}
{{- end }}

{{/* Not empty if gateways must present a certificate. */}}
{{- define "modgud.clientCa" -}}
{{- $ca := .Values.tls.clientCa -}}
{{- if and $ca.secretName $ca.configMapName -}}
{{- fail "tls.clientCa: `secretName` and `configMapName` exclude each other; remove one" -}}
{{- end -}}
{{- if or $ca.secretName $ca.configMapName -}}yes{{- end -}}
{{- end }}

{{/* The seconds of `config.server.drain`, rounded up, in every form that modgud reads: `90s`, `1m 30s`, `1.5min`, `0`. */}}
{{- define "modgud.drainSeconds" -}}
{{- $units := dict -}}
{{- range $names, $seconds := dict
  "ns nsec nanos" 1e-9
  "us µs usec" 1e-6
  "ms msec millis" 1e-3
  "s sec secs second seconds" 1
  "m min mins minute minutes" 60
  "h hr hrs hour hours" 3600
  "d day days" 86400
  "w wk wks week weeks" 604800
  "M month months" 2630016
  "y yr yrs year years" 31557600 -}}
{{- range splitList " " $names -}}{{- $_ := set $units . $seconds -}}{{- end -}}
{{- end -}}
{{- $text := toString . -}}
{{- $known := regexMatch `^\s*([0-9][0-9\s]*(\.\s*[0-9][0-9\s]*)?[a-zA-Zµ]+\s*)+$` $text -}}
{{- $seconds := 0 -}}
{{- range regexFindAll `[0-9][0-9.\s]*[a-zA-Zµ]+` $text -1 -}}
{{- $unit := regexFind `[a-zA-Zµ]+$` . -}}
{{- $number := regexReplaceAll `[^0-9.]` . "" -}}
{{- if hasKey $units $unit -}}
{{- $seconds = addf $seconds (mulf $number (get $units $unit)) -}}
{{- else -}}
{{- $known = false -}}
{{- end -}}
{{- end -}}
{{- if not (or $known (eq $text "0")) -}}
{{- fail (printf "config.server.drain: `%s` is not a duration; write a number and a unit, such as `20s` or `1m 30s`" $text) -}}
{{- end -}}
{{- if gt (float64 $seconds) 600.0 -}}
{{- fail (printf "config.server.drain: `%s` is out of range; write a duration from `0s` to `10m`" $text) -}}
{{- end -}}
{{- ceil $seconds | int -}}
{{- end }}

{{/* Seconds for the kubelet: the pause before SIGTERM, then all of the drain. */}}
{{- define "modgud.stopSeconds" -}}
{{- $drain := (default dict .Values.config.server).drain -}}
{{- if kindIs "invalid" $drain -}}{{- $drain = "20s" -}}{{- end -}}
{{- add (include "modgud.drainSeconds" $drain | int) (int .Values.preStopSleepSeconds) -}}
{{- end }}

{{/* 15 s more than that: checks under way have `server.deadline`, at most 10 s, and 2 s more. */}}
{{- define "modgud.gracePeriod" -}}
{{- $stop := include "modgud.stopSeconds" . | int -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given -}}
{{- add $stop 15 -}}
{{- else if le (int $given) $stop -}}
{{- fail (printf "terminationGracePeriodSeconds: %d s end before the drain does: `preStopSleepSeconds` and `config.server.drain` are %d s; write more than %d, or leave it out" (int $given) $stop $stop) -}}
{{- else -}}
{{- int $given -}}
{{- end -}}
{{- end }}
