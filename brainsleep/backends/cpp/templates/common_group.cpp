{# Brian2's frame of a code object, changed in two ways: the support code of every file lies in a
   namespace of its own, so that all files can be compiled as one; and nothing is included that the
   one file has not included already. #}
{% macro _support(prefix) %}
{% for name in user_headers | sort %}
#include {{name}}
{% endfor %}
namespace {{prefix}}{{codeobj_name}}_support {
    {{support_code_lines|autoindent}}
}
#undef _brian_pow
#define _brian_pow(x, y) BRAINSLEEP_POWER(x, y)
{{hashdefine_lines|autoindent}}
{% endmacro %}

{% macro before_run_cpp_file() %}
{{ _support("before_") }}
void _before_run_{{codeobj_name}}()
{
    using namespace brian;
    using namespace before_{{codeobj_name}}_support;
    ///// CONSTANTS ///////////
    %CONSTANTS%
    ///// POINTERS ////////////
    {{pointers_lines|autoindent}}
    {% block before_code %}
    // EMPTY_CODE_BLOCK
    {% endblock %}
}
{% endmacro %}

{% macro before_run_h_file() %}
void _before_run_{{codeobj_name}}();
{% endmacro %}

{% macro cpp_file() %}
{% block extra_headers %}
{% endblock %}
{{ _support("") }}
{% set put_off = put_off_at(owner) if pathway is not defined else "" %}
{% if put_off %}
void {{put_off}}_carry_out_all();
{% endif %}
void _run_{{codeobj_name}}()
{
    {% if put_off %}
    {{put_off}}_carry_out_all();
    {% endif %}
    using namespace brian;
    using namespace {{codeobj_name}}_support;
    ///// CONSTANTS ///////////
    %CONSTANTS%
    ///// POINTERS ////////////
    {{pointers_lines|autoindent}}
    {% block maincode %}
    {% endblock %}
}
{% block extra_functions_cpp %}
{% endblock %}
{% endmacro %}

{% macro h_file() %}
void _run_{{codeobj_name}}();
{% block extra_functions_h %}
{% endblock %}
{% endmacro %}

{% macro after_run_cpp_file() %}
{{ _support("after_") }}
void _after_run_{{codeobj_name}}()
{
    using namespace brian;
    using namespace after_{{codeobj_name}}_support;
    ///// CONSTANTS ///////////
    %CONSTANTS%
    ///// POINTERS ////////////
    {{pointers_lines|autoindent}}
    {% block after_code %}
    // EMPTY_CODE_BLOCK
    {% endblock %}
}
{% endmacro %}

{% macro after_run_h_file() %}
void _after_run_{{codeobj_name}}();
{% endmacro %}
