{{/* Names, labels, the image, and what can not be null. */}}

{{- define "modgud.name" -}}
{{- default .Chart.Name .Values.nameOverride -}}
{{- end }}

{{/*
At most 50 characters: Kubernetes allows 63, and other objects add an ending. The rules are those of a Service, whose name is
also a name in DNS. The name of a release may have dots and begin with a digit.
*/}}
{{- define "modgud.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = .Release.Name -}}
{{- if not (contains (include "modgud.name" .) $name) -}}
{{- $name = printf "%s-%s" $name (include "modgud.name" .) -}}
{{- end -}}
{{- end -}}
{{- $name = regexReplaceAll "-+$" ($name | trunc 50) "" -}}
{{- if not (regexMatch "^[a-z][-a-z0-9]*$" $name) -}}
{{- fail (printf "fullnameOverride: a Service can't have the name `%s`; write a name that begins with a letter and has only lower-case letters, digits and `-`" $name) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{/* The labels that select the pods. A Deployment's selector can't change, so nothing that changes belongs here. */}}
{{- define "modgud.selectorLabels" -}}
app.kubernetes.io/name: {{ include "modgud.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: authorization
{{- end }}

{{/* The labels of the pod of `helm test`, which no Service may select. */}}
{{- define "modgud.testLabels" -}}
app.kubernetes.io/name: {{ include "modgud.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: test
{{- end }}

{{/*
Labels as YAML: the chart's own, then `commonLabels`, then those of the object (`labels`), then the selector (`selector`, the
name of a template). Of equal names the last one stays, so that no value can break a selector.
*/}}
{{- define "modgud.labelsWith" -}}
{{- $own := dict "app.kubernetes.io/part-of" "modgud" -}}
{{- if not .pod -}}
{{- $_ := set $own "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $chart := printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" -}}
{{- $_ := set $own "helm.sh/chart" ($chart | trunc 63 | trimSuffix "-") -}}
{{- end -}}
{{- $selector := include (default "modgud.selectorLabels" .selector) .root | fromYaml -}}
{{- toYaml (mergeOverwrite $own (default dict .root.Values.commonLabels) (default dict .labels) $selector) -}}
{{- end }}

{{- define "modgud.labels" -}}
{{- include "modgud.labelsWith" (dict "root" .) -}}
{{- end }}

{{- define "modgud.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "modgud.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "modgud.image" -}}
{{- $image := .Values.image -}}
{{- if not $image.repository -}}
{{- fail "image.repository: name the repository of modgud's image, such as `--set image.repository=registry.example.com/modgud`" -}}
{{- end -}}
{{- if not (or (kindIs "string" $image.tag) (kindIs "invalid" $image.tag)) -}}
{{- fail (printf "image.tag: %v is a number, and a number loses digits; write a text, such as `tag: \"2\"`, or `--set-string image.tag=2`" $image.tag) -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end }}

{{/* The Secret with the certificate of `server.tls`. */}}
{{- define "modgud.tlsSecretName" -}}
{{- $tls := .Values.tls -}}
{{- if $tls.secretName -}}
{{- $tls.secretName -}}
{{- else if $tls.certManager.enabled -}}
{{- printf "%s-tls" (include "modgud.fullname" .) -}}
{{- else -}}
{{- fail "tls.enabled: name the Secret with the certificate in `tls.secretName`, or set `tls.certManager.enabled`" -}}
{{- end -}}
{{- end }}

{{/* Where gateways reach the Service. */}}
{{- define "modgud.address" -}}
{{- printf "%s.%s.svc:9191" (include "modgud.fullname" .) .Release.Namespace -}}
{{- end }}

{{/* The smallest number of pods. */}}
{{- define "modgud.leastReplicas" -}}
{{- if .Values.autoscaling.enabled -}}
{{- int .Values.autoscaling.minReplicas -}}
{{- else -}}
{{- int .Values.replicaCount -}}
{{- end -}}
{{- end }}

{{/*
Helm takes a default away for `null`. Of these the chart needs a value: without one it would fail somewhere without their name,
or render something else than anyone asked for, such as no pods. Each template begins with this check.
*/}}
{{- define "modgud.refuseNull" -}}
{{- range list
  "config" "image" "listenAddress"
  "tls" "tls.clientCa" "tls.clientCa.key" "tls.certManager" "tls.certManager.issuerRef"
  "replicaCount" "minReadySeconds" "revisionHistoryLimit" "preStopSleepSeconds"
  "autoscaling" "autoscaling.minReplicas" "autoscaling.maxReplicas" "autoscaling.targetCPUUtilizationPercentage"
  "podDisruptionBudget" "topologySpread" "startupProbe" "livenessProbe" "readinessProbe"
  "serviceAccount" "service" "metrics" "metrics.service" "metrics.podMonitor" "metrics.prometheusRule" "networkPolicy"
  "test" "test.method" "test.path" "test.expect" -}}
{{- $value := $.Values -}}
{{- range splitList "." . -}}{{- $value = index $value . -}}{{- end -}}
{{- if kindIs "invalid" $value -}}
{{- fail (printf "%s: null removes the default, and the chart needs a value; leave the key out, or write a value" .) -}}
{{- end -}}
{{- end -}}
{{- end }}
