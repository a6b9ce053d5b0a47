{
  "target_defaults": {
    "defines": ["NAPI_VERSION=9"],
    "cflags!": ["-fno-exceptions", "-O2"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++17", "-O3", "-fvisibility=hidden", "-Wall", "-Wextra", "-ffp-contract=off", "-fno-math-errno"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
      "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "OTHER_CPLUSPLUSFLAGS": ["-ffp-contract=off"]
    },
    "msvs_settings": { "VCCLCompilerTool": { "AdditionalOptions": ["/std:c++17"], "ExceptionHandling": 1 } }
  },
  "targets": [
    {
      "target_name": "gradus",
      "sources": ["<!@(node scripts/gyp-sources.mjs common)"],
      "defines": ["<!@(node scripts/gyp-sources.mjs have <(target_arch))"],
      "dependencies": ["<!@(node scripts/gyp-sources.mjs dependencies <(target_arch))"],
      "cflags_cc": ["-fstack-protector-strong"],
      "conditions": [["OS=='linux'", { "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,relro,-z,now", "-Wl,--version-script=<(module_root_dir)/native/exports.map"] }]]
    }
  ],
  "conditions": [
    ["target_arch=='x64'", {
      "targets": [
        {
          "target_name": "kernels_baseline", "type": "static_library",
          "sources": ["<!@(node scripts/gyp-sources.mjs kernels)"], "defines": ["GRADUS_ISA=baseline"]
        },
        {
          "target_name": "kernels_avx2", "type": "static_library",
          "sources": ["<!@(node scripts/gyp-sources.mjs kernels)"], "defines": ["GRADUS_ISA=avx2"],
          "cflags": ["<!@(node scripts/gyp-sources.mjs flags x64 avx2)"],
          "xcode_settings": { "OTHER_CPLUSPLUSFLAGS": ["-ffp-contract=off", "<!@(node scripts/gyp-sources.mjs flags x64 avx2)"] },
          "msvs_settings": { "VCCLCompilerTool": { "AdditionalOptions": ["<!@(node scripts/gyp-sources.mjs msvc x64 avx2)"] } }
        },
        {
          "target_name": "kernels_avx512", "type": "static_library",
          "sources": ["<!@(node scripts/gyp-sources.mjs kernels)"], "defines": ["GRADUS_ISA=avx512"],
          "cflags": ["<!@(node scripts/gyp-sources.mjs flags x64 avx512)"],
          "xcode_settings": { "OTHER_CPLUSPLUSFLAGS": ["-ffp-contract=off", "<!@(node scripts/gyp-sources.mjs flags x64 avx512)"] },
          "msvs_settings": { "VCCLCompilerTool": { "AdditionalOptions": ["<!@(node scripts/gyp-sources.mjs msvc x64 avx512)"] } }
        }
      ]
    }],
    ["target_arch=='arm64'", {
      "targets": [
        {
          "target_name": "kernels_neon", "type": "static_library",
          "sources": ["<!@(node scripts/gyp-sources.mjs kernels)"], "defines": ["GRADUS_ISA=neon"]
        }
      ]
    }]
  ]
}
