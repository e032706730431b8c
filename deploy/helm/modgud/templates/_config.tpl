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
{{- $_ := set $server "admin" (include "modgud.listen" (dict "host" .Values.listenAddress "port" 9192)) -}}
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

{{/* The seconds of a duration such as `1m 30s`, rounded up. Longer units than minutes are beyond the limit of `server.drain`. */}}
{{- define "modgud.seconds" -}}
{{- $milliseconds := 0 -}}
{{- range regexFindAll "[0-9]+ *[a-z]+" . -1 -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if has $unit (list "ms" "msec" "millis" "millisecond" "milliseconds") -}}
{{- $milliseconds = add $milliseconds $number -}}
{{- else if has $unit (list "s" "sec" "secs" "second" "seconds") -}}
{{- $milliseconds = add $milliseconds (mul $number 1000) -}}
{{- else if has $unit (list "m" "min" "mins" "minute" "minutes") -}}
{{- $milliseconds = add $milliseconds (mul $number 60000) -}}
{{- end -}}
{{- end -}}
{{- div (add $milliseconds 999) 1000 -}}
{{- end }}

{{/* Seconds for the kubelet: the pause before SIGTERM, then all of the drain. */}}
{{- define "modgud.stopSeconds" -}}
{{- $server := default dict .Values.config.server -}}
{{- $text := default "20s" $server.drain -}}
{{- if not (regexMatch "^([0-9]+ *[a-z]+ *)+$" $text) -}}
{{- fail (printf "config.server.drain: `%s` is not a duration; write a number and a unit, such as `20s` or `1m 30s`" $text) -}}
{{- end -}}
{{- $drain := include "modgud.seconds" $text | int -}}
{{- add $drain (int .Values.preStopSleepSeconds) -}}
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
