"""The model server: owns the device, serves ×2 enlargement over HTTP. Importing it does nothing."""
