# Asks a model program for its models and writes one add_test for each.
execute_process(COMMAND ${PROGRAM} --list OUTPUT_VARIABLE listed RESULT_VARIABLE failed)
if(failed)
    message(FATAL_ERROR "${PROGRAM} --list failed: ${failed}")
endif()
string(REPLACE "\n" ";" models "${listed}")
set(text "")
if(WHOLE)
    set(models "")
    string(APPEND text "add_test(\"${NAME}\" \"${PROGRAM}\")\n"
        "set_tests_properties(\"${NAME}\" PROPERTIES LABELS model TIMEOUT 300)\n")
endif()
foreach(model IN LISTS models)
    if(model)
        string(APPEND text "add_test(\"${NAME}.${model}\" \"${PROGRAM}\" \"${model}\")\n"
            "set_tests_properties(\"${NAME}.${model}\" PROPERTIES LABELS model TIMEOUT 120)\n")
    endif()
endforeach()
if(MUTANTS)
    string(APPEND text "add_test(\"${NAME}.mutants\" \"${PROGRAM}\" --mutants --seconds 3)\n"
        "set_tests_properties(\"${NAME}.mutants\" PROPERTIES LABELS model TIMEOUT 300)\n")
endif()
file(WRITE ${OUTPUT} "${text}")
