{{- define "name" -}}
{{ default (ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name)) .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- /* What the webhook's objects begin with. */ -}}
{{- define "prefix" -}}
{{ include "name" . | trimSuffix "-controller" }}
{{- end }}
{{- define "account" -}}
{{ default (ternary (include "name" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}
{{- define "selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{ include "selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "webhook" -}}
clientConfig:
  caBundle: {{ .ca }}
  service: {name: {{ include "prefix" .root }}-webhook-service, namespace: {{ .root.Release.Namespace }}, path: {{ .path }}}
sideEffects: None
admissionReviewVersions: [v1, v1beta1]
{{- end }}
