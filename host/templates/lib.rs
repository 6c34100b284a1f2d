//! Parts for pleach: {{roles}}.

{{modules}}

plugin_api::plugin!();
