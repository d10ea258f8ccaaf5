"""Generators on any GPU with a Vulkan driver, by ncnn (the extra `vulkan`), which is imported when it is first used."""
