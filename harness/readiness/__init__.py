"""Whether a project's files agree with each other and are fit for production: what of the workflow
template a machine can tell without running anything. Pure: texts and records in, reviews out."""
