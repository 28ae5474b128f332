{{- define "cornerman.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end }}

{{- define "cornerman.labels" -}}
app.kubernetes.io/part-of: cornerman
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* Labels of one role's pods: dict "root" $ "role" "capture". */}}
{{- define "cornerman.selector" -}}
app.kubernetes.io/name: {{ .role }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "cornerman.secret" -}}
{{ .Values.secrets.existing | default (include "cornerman.name" .) }}
{{- end }}

{{- define "cornerman.redisUrl" -}}
{{ .Values.redis.url | default (printf "redis://%s-valkey:6379/0" (include "cornerman.name" .)) }}
{{- end }}

{{- define "cornerman.blobsUrl" -}}
{{- if .Values.redis.url }}{{ .Values.redis.blobsUrl }}{{ else }}redis://{{ include "cornerman.name" . }}-valkey-blobs:6379/0{{ end -}}
{{- end }}

{{/* The "restricted" Pod Security Standard, of a pod and of its container. */}}
{{- define "cornerman.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "cornerman.containerSecurity" -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end }}

{{/* Whether a role's number of pods is somebody else's business. */}}
{{- define "cornerman.scaled" -}}
{{- $role := index .root.Values .role -}}
{{- if and (ne .root.Values.autoscaling.by "none") $role.autoscaling $role.autoscaling.enabled }}yes{{ end -}}
{{- end }}

{{/* The port of an http or https address. */}}
{{- define "cornerman.portOf" -}}
{{- $url := urlParse . -}}
{{ regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "443" "80" (eq $url.scheme "https")) }}
{{- end }}
