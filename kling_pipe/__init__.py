"""kling-pipe: Terraform for generated video."""
