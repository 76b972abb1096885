"""Takes derive-jobs: raw pages become canonical entities, relation edges and rejects."""
