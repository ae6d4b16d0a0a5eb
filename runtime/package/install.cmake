# Headers, libraries, the CMake package and the pkg-config files. Nothing installed holds a path of this machine: the
# tree may be moved, and what the static library links is found again by name where it is used.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/thrum)
set(package_in ${PROJECT_SOURCE_DIR}/runtime/package)
set(package_out ${PROJECT_BINARY_DIR}/package)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Two export sets: who links the shared library needs neither Boost's nor jemalloc's development files.
set_target_properties(thrum_static PROPERTIES EXPORT_NAME static)
install(TARGETS thrum EXPORT thrumShared)
install(TARGETS thrum_static EXPORT thrumStatic)
install(TARGETS thrum-top)
if(TARGET thrum_locks)
    install(TARGETS thrum_locks DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
# The libraries have it inside; this is for a gdb that may not load it from there.
install(FILES ${PROJECT_SOURCE_DIR}/runtime/debugger/thrum_gdb.py DESTINATION ${CMAKE_INSTALL_DATADIR}/thrum)
install(EXPORT thrumShared NAMESPACE thrum:: DESTINATION ${package_dir})
install(EXPORT thrumStatic NAMESPACE thrum:: DESTINATION ${package_dir})

configure_package_config_file(${package_in}/thrumConfig.cmake.in ${package_out}/thrumConfig.cmake
    INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may break.
write_basic_package_version_file(${package_out}/thrumConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${package_out}/thrumConfig.cmake ${package_out}/thrumConfigVersion.cmake DESTINATION ${package_dir})

# pkg-config finds the prefix from where the file lies.
file(RELATIVE_PATH THRUM_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" THRUM_PC_TO_PREFIX "${THRUM_PC_TO_PREFIX}")
set(THRUM_PC_PRIVATE "-lboost_context")
if(THRUM_JEMALLOC)
    string(APPEND THRUM_PC_PRIVATE " -ljemalloc")
endif()
string(APPEND THRUM_PC_PRIVATE " -pthread")
foreach(file thrum.pc thrum-static.pc)
    configure_file(${package_in}/${file}.in ${package_out}/${file} @ONLY)
    install(FILES ${package_out}/${file} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
